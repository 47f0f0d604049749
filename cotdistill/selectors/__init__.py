"""Selectors: one file each; `--select FILENAME:option=value` finds it."""

from collections.abc import Sequence
from typing import Protocol

from cotdistill.records import Judged


class Selector(Protocol):
    def choose(self, judged: Sequence[Judged]) -> Sequence[Judged]:
        """Which of one prompt's surviving responses to keep, in sample order."""
