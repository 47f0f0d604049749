"""Samples drawn by lot, the same ones for the same seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from cotdistill.plugins import Count
from cotdistill.records import Judged


@dataclass
class Selector:
    """Keeps k of each prompt, drawn by seed and prompt id: not by its place in the file."""

    k: Count = 1
    seed: int = 0

    def choose(self, judged: Sequence[Judged]) -> Sequence[Judged]:
        if len(judged) <= self.k:
            return judged
        lots = random.Random(f"{self.seed} {judged[0].response.prompt.id}")
        return sorted(lots.sample(list(judged), self.k), key=lambda one: one.response.sample)
