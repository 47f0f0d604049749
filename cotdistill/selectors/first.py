"""The earliest samples."""

from collections.abc import Sequence
from dataclasses import dataclass

from cotdistill.plugins import Count
from cotdistill.records import Judged


@dataclass
class Selector:
    """Keeps the first k of each prompt."""

    k: Count = 1

    def choose(self, judged: Sequence[Judged]) -> Sequence[Judged]:
        return judged[: self.k]
