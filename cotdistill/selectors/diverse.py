"""Samples that get there by different ways: the equations of each trace are its signature."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cotdistill.plugins import Count
from cotdistill.records import Judged

_EQUATION = re.compile(r"[\d(][\d\s.,+*/×÷()^%$-]{0,80}=\s{0,4}\$?-?[\d.,]{1,20}")
_WORD = re.compile(r"[^\W\d_]{4,}")
_LONGEST = 20_000
"""Characters of a trace that are looked at."""


@dataclass
class Selector:
    """Keeps k of each prompt that differ most in their equations, or where there are none in their words.

    Greedy: first the sample with the most different steps, then always the one least like those already chosen.
    The equations of a trace as its signature: rejection-sampling fine-tuning (arXiv 2308.01825).
    """

    k: Count = 2

    def choose(self, judged: Sequence[Judged]) -> Sequence[Judged]:
        if len(judged) <= self.k:
            return judged
        steps = [_steps(one) for one in judged]
        left = list(range(len(judged)))
        chosen = [max(left, key=lambda place: (len(steps[place]), -place))]
        left.remove(chosen[0])
        nearest = [_likeness(one, steps[chosen[0]]) for one in steps]
        while len(chosen) < self.k:
            best = min(left, key=lambda place: (nearest[place], place))
            left.remove(best)
            chosen.append(best)
            nearest = [max(known, _likeness(one, steps[best])) for known, one in zip(nearest, steps, strict=True)]
        return [judged[place] for place in sorted(chosen)]


def _steps(judged: Judged) -> frozenset[str]:
    trace = f"{judged.response.reasoning or ''}\n{judged.response.text}"[:_LONGEST]
    equations = frozenset(re.sub(r"[\s$,]", "", found) for found in _EQUATION.findall(trace))
    return equations or frozenset(_WORD.findall(trace.lower()))


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard; two without any step are alike."""
    union = len(one | other)
    return len(one & other) / union if union else 1.0
