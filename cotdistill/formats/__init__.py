"""Formats: one file each; `--format FILENAME` finds it."""

from collections.abc import Sequence
from typing import Any, Protocol

from cotdistill.records import Judged, Prompt, as_dicts


class Format(Protocol):
    def row(self, judged: Judged) -> dict[str, Any]:
        """One training row, JSON-ready, without the id (the stage adds it)."""


class FormatOfPrompts(Protocol):
    """For rows that take several samples of one prompt, such as preference pairs."""

    def rows(self, samples: Sequence[Judged]) -> list[tuple[str, dict[str, Any]]]:
        """Rows of one prompt, each with what its id has after the prompt's."""


def turns(prompt: Prompt) -> list[dict[str, str]]:
    """The prompt's messages as rows carry them."""
    return as_dicts(prompt.messages)


def answer(judged: Judged) -> dict[str, str]:
    """The assistant's turn, its trace in a field of its own."""
    response = judged.response
    if not response.reasoning:
        return {"role": "assistant", "content": response.text}
    return {"role": "assistant", "reasoning_content": response.reasoning, "content": response.text}
