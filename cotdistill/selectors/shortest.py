"""The shortest samples: small students do better with shorter traces (arXiv 2502.12143)."""

from collections.abc import Sequence
from dataclasses import dataclass

from cotdistill.plugins import Count
from cotdistill.records import Judged


@dataclass
class Selector:
    """Keeps the k of each prompt with the shortest reasoning and answer together."""

    k: Count = 1

    def choose(self, judged: Sequence[Judged]) -> Sequence[Judged]:
        shortest = sorted(judged, key=lambda one: (_length(one), one.response.sample))[: self.k]
        return sorted(shortest, key=lambda one: one.response.sample)


def _length(judged: Judged) -> int:
    return len(judged.response.reasoning or "") + len(judged.response.text)
