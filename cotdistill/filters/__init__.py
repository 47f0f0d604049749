"""Filters: one file each; `--filter FILENAME:option=value` finds it."""

from typing import Protocol

from cotdistill.records import Judged


class Filter(Protocol):
    """A filter may remember what it has seen (duplicates): it meets each response once, in file order."""

    def reason_to_drop(self, judged: Judged) -> str | None:
        """A short, stable, lower-case phrase (reasons are counted), or None to keep."""
