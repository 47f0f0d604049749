"""Formats: one file each; `--format FILENAME` finds it."""

from typing import Any, Protocol

from cotdistill.records import Judged


class Format(Protocol):
    def row(self, judged: Judged) -> dict[str, Any]:
        """One training row, JSON-ready, without the id (the stage adds it)."""
