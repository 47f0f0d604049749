"""A lower bound of a bucket's rate: the requests accepted between two times at which it was empty, by the time."""

import math
from collections import deque
from dataclasses import dataclass, field

REMEMBERED = 4
"""How many times at which the bucket was empty are kept."""

SOON = 8
"""With fewer accepted requests a refusal at a measured rate is odd: it may have nothing to do with the pace."""

GOOD_FOR_S = 30.0
"""An older bound no longer counts."""


@dataclass
class Empty:
    """The bucket was empty at time `at`, when `number` requests had been sent and `accepted` of them accepted."""

    at: float
    number: int
    accepted: int


@dataclass
class LowerBound:
    least: float = 0.0
    """The best bound of the rate, found at time `_at`."""
    _at: float = -math.inf
    _empties: deque[Empty] = field(default_factory=lambda: deque(maxlen=REMEMBERED), repr=False)

    @property
    def last(self) -> Empty:
        return self._empties[-1]

    def empty(self, now: float, number: int, accepted: int) -> None:
        """Note that the bucket is empty now, with `number` requests sent and `accepted` of them accepted so far."""
        self._empties.append(Empty(now, number, accepted))

    def refused(self, number: int) -> None:
        """Take back a request that was counted as accepted, and was refused."""
        for one in self._empties:
            one.accepted -= number <= one.number

    def found(self, accepted: int, started: float) -> float:
        """The best bound from any remembered time to `started`, with `accepted` requests accepted by then; 0 where too
        few were."""
        since = ((accepted - one.accepted, started - one.at) for one in self._empties)
        return max((count / seconds for count, seconds in since if count >= SOON and seconds > 0), default=0.0)

    def know(self, rate: float, now: float) -> float:
        """Raise the bound to what was measured, and return that."""
        if rate > self.least or now - self._at >= GOOD_FOR_S:
            self.least, self._at = rate, now
        return rate

    def least_at(self, now: float) -> float:
        """The bound at time `now`; 0 where it is too old."""
        return self.least if now - self._at < GOOD_FOR_S else 0.0
