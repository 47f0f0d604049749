"""Formats: one file each; `--format FILENAME` finds it."""

from typing import Any, Protocol

from cotdistill.records import Judged, Prompt


class Format(Protocol):
    def row(self, judged: Judged) -> dict[str, Any]:
        """One training row, JSON-ready, without the id (the stage adds it)."""


def turns(prompt: Prompt) -> list[dict[str, str]]:
    """The prompt's messages as rows carry them."""
    return [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
