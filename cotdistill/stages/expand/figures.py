"""What each method yields: tries, kept prompts, their cost, the seeds they cover, how different they are."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any

from cotdistill.pricing import plus, total
from cotdistill.records import Prompt, Response, money, question_of

LEAST_YIELD, ENOUGH_TRIES = 0.1, 30
"""A method that keeps less than this share, after so many tries, is stopped."""

PRIOR_KEPT, PRIOR_TRIES = 0.75, 1
"""Three of four are kept, as long as nothing is known; it counts as one try."""


@dataclass
class Cost:
    """USD; None once one price is not known."""

    usd: Decimal | None = Decimal(0)

    def add(self, responses: Iterable[Response]) -> None:
        for one in responses:
            self.usd = plus(self.usd, None if one.cost_usd is None else Decimal(one.cost_usd))


@dataclass
class OfMethod:
    """`tries` are requests that were answered or refused; `candidates` those that all filters let pass; `repeats` those
    that wrote what an earlier one had written; `undecided` those whose answers are not all there."""

    tries: int = 0
    candidates: int = 0
    repeats: int = 0
    undecided: int = 0
    kept: int = 0
    cost: Cost = field(default_factory=Cost)

    @property
    def yields_little(self) -> bool:
        return self.decided >= ENOUGH_TRIES and self.kept < LEAST_YIELD * self.decided

    @property
    def decided(self) -> int:
        return self.tries - self.undecided

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"asked": self.tries, "kept": self.kept}
        if self.decided:
            shown["yield"] = round(self.kept / self.decided, 4)
        if self.cost.usd is not None and self.kept:
            shown["cost_usd_per_kept"] = money(round(self.cost.usd / self.kept, 6))
        return shown


@dataclass
class Figures:
    methods: dict[str, OfMethod]
    dropped: Counter[str] = field(default_factory=Counter)
    covered: set[str] = field(default_factory=set)

    def drop(self, filter: str, reason: str) -> None:
        self.dropped[f"{filter}: {reason.partition(' | ')[0]}"] += 1

    @property
    def tries(self) -> int:
        return sum(one.tries for one in self.methods.values())

    @property
    def kept(self) -> int:
        return sum(one.kept for one in self.methods.values())

    @property
    def decided(self) -> int:
        return sum(one.decided for one in self.methods.values())

    def share_kept(self, methods: Iterable[str]) -> float:
        """Of the next tries, as far as is known by now."""
        own = [self.methods[name] for name in methods]
        return (sum(one.kept for one in own) + PRIOR_KEPT) / (sum(one.decided for one in own) + PRIOR_TRIES)

    @property
    def cost(self) -> Decimal | None:
        return total(one.cost.usd for one in self.methods.values())

    def results(self, kept: Sequence[Prompt], sources: int) -> dict[str, Any]:
        found: dict[str, Any] = {
            "methods": {name: one.as_json() for name, one in self.methods.items()},
            "dropped": dict(self.dropped.most_common()),
        }
        if kept:
            found["seeds_covered_share"] = round(len(self.covered) / sources, 4)
            found["distinct_2_share"] = distinct_pairs(kept)
            if self.cost is not None:
                found["cost_usd_per_kept"] = money(round(self.cost / len(kept), 6))
        return found


def distinct_pairs(prompts: Iterable[Prompt]) -> float:
    """Distinct-2 (Li et al., arXiv 1510.03055): different pairs of words in a row, of all pairs. It falls as a set
    grows, so compare sets of one size only."""
    pairs = [pair for prompt in prompts for pair in pairwise(question_of(prompt).casefold().split())]
    return round(len(set(pairs)) / len(pairs), 4) if pairs else 0.0
