"""Confidence intervals, pass@k, the test of a paired difference, and the area under a ROC curve."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import comb, erfc, sqrt

Z_95 = 1.959964


def wilson(successes: float, trials: float, z: float = Z_95) -> tuple[float, float]:
    """The score interval of Wilson (1927) for a proportion: right at 0 and 1 and for few trials, where the
    normal approximation is not. (0, 1) when there are no trials."""
    if not trials:
        return 0.0, 1.0
    share, spread = successes / trials, z * z / trials
    centre = share + spread / 2
    half = z * sqrt(share * (1 - share) / trials + spread / trials / 4)
    return max(0.0, (centre - half) / (1 + spread)), min(1.0, (centre + half) / (1 + spread))


@dataclass
class Clustered:
    """A share of trials that come in clusters, such as the samples of one prompt: those resemble each other, so a
    thousand samples of ten prompts tell little more than ten. Sums only: memory does not grow with the clusters."""

    clusters: int = 0
    trials: int = 0
    successes: int = 0
    _trials_squared: int = 0
    _successes_squared: int = 0
    _products: int = 0

    def add(self, successes: int, trials: int) -> None:
        self.clusters += 1
        self.trials += trials
        self.successes += successes
        self._trials_squared += trials * trials
        self._successes_squared += successes * successes
        self._products += successes * trials

    @property
    def share(self) -> float:
        return self.successes / self.trials if self.trials else 0.0

    def interval(self, z: float = Z_95) -> tuple[float, float]:
        """Wilson's interval at the effective number of trials, which the ratio estimator's variance over clusters
        gives (Cochran, Sampling Techniques, section 9.10; the same idea: Korn and Graubard 1998). Between one and
        `trials` a cluster; where every cluster is all right or all wrong alike, one a cluster."""
        effective = float(self.clusters)
        if self.clusters > 1 and 0 < self.successes < self.trials:
            p = self.share
            spread = self._successes_squared - 2 * p * self._products + p * p * self._trials_squared
            variance = spread * self.clusters / (self.clusters - 1) / self.trials**2
            effective = min(float(self.trials), p * (1 - p) / variance) if variance else float(self.trials)
        return wilson(self.share * effective, effective, z)


def pass_at_k(n: int, correct: int, k: int) -> float:
    """The unbiased estimate of Chen et al. 2021 (arXiv 2107.03374): 1 - C(n-c, k) / C(n, k)."""
    return 1.0 - comb(n - correct, k) / comb(n, k)


def mcnemar(one: int, other: int) -> float:
    """The two-sided exact p-value: pairs that differ are as likely to differ either way."""
    n, few = one + other, min(one, other)
    return min(1.0, 2 * sum(comb(n, k) for k in range(few + 1)) / 2**n) if n else 1.0


MOST_STEPS = 3_000_000
"""Of the exact sum of signs, about a second; beyond, there are so many differences that the normal one is as good."""


def sign_flip(differences: Sequence[int]) -> float:
    """The two-sided p-value of paired differences (Fisher 1935): under chance each is as likely with the other sign.

    Of -1, 0 and 1 it is McNemar's exact test; of whole numbers, such as how many of several students are right on a
    prompt, exact as long as there are few, else by the normal distribution of the sum."""
    sizes = Counter(abs(one) for one in differences if one)
    if len(sizes) == 1:
        (count,) = sizes.values()
        return mcnemar(above := sum(one > 0 for one in differences), count - above)
    total, several = abs(sum(differences)), sum(sizes.values())
    if several * sum(count * size for size, count in sizes.items()) > MOST_STEPS:
        continuous = max(0, total - min(sizes))  # half of the smallest step that the sum can take
        return erfc(continuous / sqrt(2 * sum(count * size * size for size, count in sizes.items())))
    chances = {0: 1.0}
    for size, count in sizes.items():
        flips = [(size * (2 * plus - count), comb(count, plus) / 2**count) for plus in range(count + 1)]
        reached: dict[int, float] = defaultdict(float)
        for below, chance in chances.items():
            for step, more in flips:
                reached[below + step] += chance * more
        chances = reached
    return min(1.0, sum(chance for where, chance in chances.items() if abs(where) >= total))


def auc(scores: Sequence[float], positive: Sequence[int]) -> float | None:
    """The probability that a positive one has the higher score than a negative one, ties counted half: the area under
    the ROC curve (Hanley and McNeil 1982). None where there are no pairs."""
    order = sorted(range(len(scores)), key=lambda place: scores[place])
    ones = sum(map(bool, positive))
    pairs = ones * (len(order) - ones)
    if not pairs:
        return None
    ranks = 0.0
    for _, group in groupby(enumerate(order, 1), key=lambda ranked: scores[ranked[1]]):
        tied = list(group)
        ranks += sum(rank for rank, _ in tied) / len(tied) * sum(bool(positive[place]) for _, place in tied)
    return (ranks - ones * (ones + 1) / 2) / pairs


def auc_interval(area: float, positive: int, negative: int, z: float = Z_95) -> tuple[float, float]:
    """Of so many independent positive and negative ones, by the same authors' standard error."""
    above, below = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (positive - 1) * (above - area**2) + (negative - 1) * (below - area**2)
    half = z * sqrt(max(0.0, variance) / (positive * negative))
    return max(0.0, area - half), min(1.0, area + half)
