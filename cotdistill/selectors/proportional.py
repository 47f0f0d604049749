"""More of what is hard: the number kept grows with the share of wrong samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from cotdistill.plugins import Count
from cotdistill.records import Judged


@dataclass
class Selector:
    """Keeps up to k times (1 - pass rate) of each prompt, at least `at_least` (DART-Prop2Diff, arXiv 2407.13690)."""

    k: Count = 8
    at_least: Count = 1

    def choose(self, judged: Sequence[Judged]) -> Sequence[Judged]:
        if not judged:
            return judged
        pass_rate = judged[0].pass_rate or 0.0
        return judged[: max(self.at_least, ceil(self.k * (1 - pass_rate) - 1e-9))]
