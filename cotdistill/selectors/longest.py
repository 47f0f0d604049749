"""The longest samples: the most thorough traces, where length is no problem."""

from collections.abc import Sequence
from dataclasses import dataclass

from cotdistill.plugins import Count
from cotdistill.records import Judged


@dataclass
class Selector:
    """Keeps the k of each prompt with the longest reasoning and answer together."""

    k: Count = 1

    def choose(self, judged: Sequence[Judged]) -> Sequence[Judged]:
        longest = sorted(judged, key=lambda one: (-_length(one), one.response.sample))[: self.k]
        return sorted(longest, key=lambda one: one.response.sample)


def _length(judged: Judged) -> int:
    return len(judged.response.reasoning or "") + len(judged.response.text)
