"""Predicts from the answers so far how many requests it takes until enough prompts are kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, exp, log, log1p, sqrt

from cotdistill.stages.expand.figures import PRIOR_KEPT, PRIOR_TRIES, OfMethod

_SLOWEST = 1_000.0
"""If it takes this many times as many tries, there is nothing new left."""


@dataclass(frozen=True)
class Needed:
    """How many more requests write prompts, and how many of these the filters will let pass. `margin` is the share by
    which the number of requests may be off either way: 95 % of it by chance, measured as nine in ten because seeds
    differ. None where nothing was kept yet."""

    requests: int
    candidates: int
    margin: float | None


def needed(wanted: int, methods: Iterable[OfMethod], most: int | None) -> Needed:
    """For `wanted` more prompts, of the methods that still ask; they have `most` requests left, None where that is not
    known yet.

    What a teacher writes repeats itself, and the more so the more there is. The repeats until now say how fast,
    as Fisher's logarithmic series has it: w tries that repeat no seed find a ln(1 + w / a) different problems (Fisher,
    Corbet and Williams 1943, doi:10.2307/1411). It allows for problems that come up more often than others; a pool of
    equally likely ones, fitted to the same repeats, runs dry too soon.
    """
    own = list(methods)
    kept, decided = sum(one.kept for one in own), sum(one.decided for one in own)
    new, repeats = sum(one.candidates - one.undecided for one in own), sum(one.repeats for one in own)
    plain = wanted * (decided + PRIOR_TRIES) / (kept + PRIOR_KEPT)
    slower = _slower(new, repeats, wanted * new / kept) if kept and repeats else 1.0
    share = (new + PRIOR_KEPT) / (decided + PRIOR_TRIES)
    requests = ceil(plain * slower)
    if most is not None:
        requests = min(most, requests)
    candidates = min(ceil(plain * share), requests)
    if not kept:
        return Needed(requests, candidates, None)
    of_repeats = (1 - 1 / slower) ** 2 / max(1, repeats)
    return Needed(requests, candidates, 1.96 * sqrt((1 - kept / decided) / kept + of_repeats))


def _slower(new: int, repeats: int, more: float) -> float:
    """By which factor more tries it takes to find `more` new problems than at the rate until now."""
    if more <= 0:
        return 1.0
    tries = new + repeats
    a = tries / _solve(new / tries)
    at_that_rate = more * tries / new
    if (new + more) / a > log(_SLOWEST * at_that_rate / a):
        return _SLOWEST
    return (a * (exp((new + more) / a) - 1) - tries) / at_that_rate


def _solve(share: float) -> float:
    """x with ln(1 + x) / x = share, for a share between 0 and 1, both left out."""
    low, high = 1e-12, 1e12
    for _ in range(100):
        middle = sqrt(low * high)
        low, high = (middle, high) if log1p(middle) / middle > share else (low, middle)
    return low
