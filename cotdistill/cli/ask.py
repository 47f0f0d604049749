"""`cotdistill ask`: a question to a student, or a conversation with it, and beside it with others."""

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cotdistill import config
from cotdistill.cli import log
from cotdistill.cli.options import options_of
from cotdistill.errors import SOME_FAILED, AccountError, CotDistillError, StoppedError, UsageError
from cotdistill.providers.environment import load_env

if TYPE_CHECKING:
    from cotdistill.stages.ask import Conversation, Said


@options_of(config.AskConfig)
def ask(
    student: Annotated[
        str,
        typer.Argument(
            help="A trained directory, a .gguf file, tiny, smollm2-135m, a hub id, or PROVIDER:MODEL.",
            metavar="STUDENT",
            show_default=False,
        ),
    ],
    question: Annotated[
        str | None,
        typer.Argument(
            help="The question (without it: a conversation, each line of stdin a question).", metavar="QUESTION"
        ),
    ] = None,
    *,
    settings: config.AskConfig,
) -> None:
    """Ask a student a question and see its reasoning, or talk to it; beside it, ask its base."""
    from cotdistill import progress
    from cotdistill.stages import ask as stage

    if question is not None and not question.strip():
        raise UsageError("QUESTION: expected a text, got nothing")
    load_env()
    with stage.conversations(student, settings, progress.for_stderr()) as conversations:
        if question is not None:
            if settings.turns != config.AskConfig.turns:
                log.say("note: --turns changes nothing here: QUESTION is the only one", err=True)
            for conversation in conversations:
                _show(conversation.ask(question), named=len(conversations) > 1)
            return
        failed = _talk(conversations)
    raise typer.Exit(SOME_FAILED if failed else 0)


def _talk(conversations: "Sequence[Conversation]") -> int:
    """Answer until the lines end. Returns how many questions got no answer; each was reported."""
    failed = 0
    for line in _lines():
        for conversation in conversations:
            try:
                _show(conversation.ask(line), named=len(conversations) > 1)
            except (AccountError, StoppedError):  # no later question would fare better
                raise
            except CotDistillError as error:
                failed += 1
                log.say(f"cotdistill: {error}", err=True)
    return failed


def _lines() -> Iterator[str]:
    """Yields questions, one a line without blank ones; a user at a terminal is prompted for each."""
    if not sys.stdin.isatty():
        sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
        yield from filter(None, map(str.strip, sys.stdin))
        return
    log.say("One question a line; Ctrl-D ends.", err=True)
    while True:
        try:
            line = input("> ").strip()
        except EOFError:
            log.say("", err=True)
            return
        except KeyboardInterrupt:
            raise StoppedError("interrupted") from None
        if line:
            yield line


def _show(said: "Said", *, named: bool) -> None:
    """Print the answer on stdout; the dimmed trace, time and tokens on stderr."""
    reply = said.reply
    if named:
        log.say(f"{said.student}:")
    if reply.reasoning:
        log.say(reply.reasoning.strip(), err=True, dim=True)
    log.say(reply.text.strip())
    took = ["from the store" if said.from_store else f"{said.seconds:.1f} s"]
    if reply.usage.output_tokens is not None:
        took.append(f"{reply.usage.output_tokens:,} tokens")
    if reply.stop_reason == "length":
        took.append("cut at --max-output-tokens")
    elif reply.stop_reason != "stop":
        took.append(f"ended by {reply.stop_reason}{f': {reply.stop_detail}' if reply.stop_detail else ''}")
    log.say(f"({', '.join(took)})", err=True, dim=True)
