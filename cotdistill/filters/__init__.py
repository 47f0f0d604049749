"""Filters: one file each; `--filter FILENAME:option=value` finds it."""

from collections.abc import Sequence
from typing import Protocol

from cotdistill.records import Judged


class Filter(Protocol):
    """A pure function of one record, asked from any process and in any order.

    A filter that remembers what it has seen (duplicates) says so with the class attribute `remembers = True`: it meets
    each response that passed everything else once, in file order, in one process. One that must see all of them before
    it can choose says `looks_ahead = True` too, and has `consider(samples)`: it is first given the samples of every
    prompt that passed everything else, prompt by prompt, and only then asked.
    One that looks at log-probabilities says `needs_logprobs = True`: a file without any is refused beforehand.
    Options that name files have the type `plugins.File` or `Files`, so that the manifest holds their hashes.
    """

    def reason_to_drop(self, judged: Judged) -> str | None:
        """A short, stable, lower-case phrase (reasons are counted), or None to keep. What varies by record, such as
        a match, follows after " | " and is not counted."""


class ChoosingFilter(Filter, Protocol):
    """A filter that looks ahead."""

    def consider(self, samples: Sequence[Judged]) -> None:
        """Those of one prompt's samples that passed everything else, before any is asked about."""
