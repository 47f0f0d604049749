"""Servers of models on this machine: one file an engine; `--engine FILENAME` starts it for a local student.

An engine says how its server is started and what a request must say so that it answers as a student in this process
does: nothing decides the answer but temperature, seed, end tokens and chat template. `running` starts it, waits until
it answers, and ends it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cotdistill import plugins
from cotdistill.servers._process import Running, running

__all__ = ["Running", "Sampling", "Server", "build", "running"]


@dataclass(frozen=True)
class Sampling:
    """What decides one answer. `temperature` None is greedy; `template_kwargs` go to the student's chat template."""

    max_tokens: int
    temperature: float | None
    seed: int
    end_tokens: Sequence[int]
    padding: int
    template_kwargs: Mapping[str, Any]


class Server(Protocol):
    """One engine. It serves `/health` and, below `/v1`, Chat Completions of a model that is named like its files."""

    at_once: int
    """Requests that it is sent at once: it makes batches of them itself, or answers one after the other."""

    keeps_special: bool
    """Whether it can leave the tokens in the text that a tokenizer calls special: the marks of a trace may be some."""

    def command(self) -> list[str]:
        """The installed program, as a command begins. Raises CotDistillError where it is not installed."""

    def options(self, model: str, host: str, port: int) -> list[str]:
        """The rest of the command. `model` is a directory or a hub id."""

    def body(self, sampling: Sampling) -> dict[str, Any]:
        """The fields of a request that decide its answer, beside model and messages."""


def build(engine: str) -> Server:
    """Raises UsageError for an engine that there is not."""
    server: Server = plugins.build("servers", engine)
    return server
