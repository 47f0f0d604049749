"""Asks a student or a teacher questions."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cotdistill.api.progress import reporter
from cotdistill.api.results import Result
from cotdistill.api.stages import build, explained, path_of
from cotdistill.config import AskConfig
from cotdistill.providers.environment import load_env
from cotdistill.stages import ask as stage


def ask(
    student: str | Path | Result[Any],
    question: str,
    *,
    system: str | None = None,
    max_output_tokens: int = 512,
    temperature: float | None = None,
    base_url: str | None = None,
) -> stage.Said:
    """Ask one question: `reply.text`, `reply.reasoning`, `reply.usage`, and `reply.seconds`.

    The student is loaded for this question alone. For several questions `conversation`, which explains the options,
    loads it once.
    """
    with conversation(
        student, system=system, max_output_tokens=max_output_tokens, temperature=temperature, base_url=base_url
    ) as opened:
        return opened.ask(question)


class Conversation:
    """The questions and answers so far. Errors of `ask` are the package's; those of the code around it stay as they
    are."""

    def __init__(self, opened: stage.Conversation) -> None:
        self._opened = opened

    def ask(self, question: str) -> stage.Said:
        """Raises CotDistillError where there is no answer; the question then is no part of the conversation."""
        with explained():
            return self._opened.ask(question)


@contextmanager
def conversation(
    student: str | Path | Result[Any],
    *,
    system: str | None = None,
    max_output_tokens: int = 512,
    temperature: float | None = None,
    base_url: str | None = None,
) -> "Iterator[Conversation]":
    """A conversation, for a `with` block. Its `ask(question)` answers with everything said before in mind.

    `student`: a directory, a .gguf file, a name, a hub id, or PROVIDER:MODEL with its `base_url`. `temperature` None:
    greedy, or the server's default. Raises UsageError for a student that does not exist, CotDistillError where it does
    not answer.
    """
    load_env()
    chosen = build(
        AskConfig,
        {"system": system, "max_output_tokens": max_output_tokens, "temperature": temperature, "base_url": base_url},
    )
    with ExitStack() as held:
        with explained():
            (one,) = held.enter_context(stage.conversations(path_of(student), chosen, reporter()))
        yield Conversation(one)
