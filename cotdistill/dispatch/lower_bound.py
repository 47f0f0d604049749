"""A bucket was found empty, and again: its rate is at least what was accepted in between, by the time."""

import math
from collections import deque
from dataclasses import dataclass, field

REMEMBERED = 4
"""Times that the bucket was empty."""

SOON = 8
"""Accepted requests below which a refusal at a measured rate is odd: it may have nothing to do with the pace."""

GOOD_FOR_S = 30.0
"""A bound of longer ago is none."""


@dataclass
class Empty:
    """The bucket was found empty at `at`, when `number` requests were sent; of these it had `accepted` so many."""

    at: float
    number: int
    accepted: int


@dataclass
class LowerBound:
    least: float = 0.0
    """The best bound of the rate, found at `_at`."""
    _at: float = -math.inf
    _empties: deque[Empty] = field(default_factory=lambda: deque(maxlen=REMEMBERED), repr=False)

    @property
    def last(self) -> Empty:
        return self._empties[-1]

    def empty(self, now: float, number: int, accepted: int) -> None:
        """The bucket is empty now; `number` requests were sent so far, so many `accepted`."""
        self._empties.append(Empty(now, number, accepted))

    def refused(self, number: int) -> None:
        """This request was counted as accepted, and was not."""
        for one in self._empties:
            one.accepted -= number <= one.number

    def found(self, accepted: int, started: float) -> float:
        """The best bound since the bucket was empty, of late; 0 where too little was accepted."""
        since = ((accepted - one.accepted, started - one.at) for one in self._empties)
        return max((count / seconds for count, seconds in since if count >= SOON and seconds > 0), default=0.0)

    def know(self, rate: float, now: float) -> float:
        """Raise the bound. Returns what was measured."""
        if rate > self.least or now - self._at >= GOOD_FOR_S:
            self.least, self._at = rate, now
        return rate

    def least_at(self, now: float) -> float:
        """0 where it was found long ago."""
        return self.least if now - self._at < GOOD_FOR_S else 0.0
