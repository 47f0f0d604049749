"""Filters: one file each; `--filter FILENAME:option=value` finds it."""

from typing import Protocol

from cotdistill.records import Judged


class Filter(Protocol):
    """A pure function of one record, asked from any process and in any order.

    A filter that remembers what it has seen (duplicates) says so with the class attribute `remembers = True`: it meets
    each response that passed everything else once, in file order, in one process.
    """

    def reason_to_drop(self, judged: Judged) -> str | None:
        """A short, stable, lower-case phrase (reasons are counted), or None to keep. What varies by record, such as
        a match, follows after " | " and is not counted."""
