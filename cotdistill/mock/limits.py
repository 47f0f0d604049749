"""The embedded teacher's rate limits: buckets that refill all the time, as the providers describe theirs."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cotdistill.mock.wire_common import Billed, Level


@dataclass(frozen=True)
class Limits:
    """What an account may use a minute, and how many seconds' worth of it at once. None is no limit."""

    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    burst_s: float = 60.0

    @property
    def tokens(self) -> int | None:
        """Both kinds together, as OpenAI counts them."""
        given = [limit for limit in (self.input_tokens, self.output_tokens) if limit is not None]
        return sum(given) if given else None


class Refused(NamedTuple):
    """The axis that has too little left, its limit a minute, and in how many seconds there is enough."""

    axis: str
    limit: int
    wait_s: float


@dataclass
class _Bucket:
    per_minute: int
    capacity: float
    level: float
    at: float

    def refill(self, now: float) -> None:
        self.level = min(self.capacity, self.level + (now - self.at) * self.per_minute / 60)
        self.at = now

    def missing_s(self, amount: float) -> float:
        """A request larger than the bucket gets in once that is full."""
        return max(0.0, (min(amount, self.capacity) - self.level) * 60 / self.per_minute)


@dataclass
class Account:
    """What is left of each limit. `now` gives seconds; a test may bring its own clock."""

    limits: Limits = field(default_factory=Limits)
    now: Callable[[], float] = time.monotonic
    _buckets: dict[str, _Bucket] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for axis in ("requests", "input_tokens", "output_tokens", "tokens"):
            limit: int | None = getattr(self.limits, axis)
            if limit is not None:
                capacity = max(1.0, limit * self.limits.burst_s / 60)
                self._buckets[axis] = _Bucket(limit, capacity, capacity, self.now())

    def take(self, axes: Sequence[str], billed: Billed) -> Refused | None:
        """From every one of the axes, or from none when one has too little."""
        amounts = {
            "requests": 1,
            "input_tokens": billed.input_tokens,
            "output_tokens": billed.output_tokens,
            "tokens": billed.input_tokens + billed.output_tokens,
        }
        now, counted = self.now(), [axis for axis in axes if axis in self._buckets]
        for axis in counted:
            self._buckets[axis].refill(now)
        waits = {axis: self._buckets[axis].missing_s(amounts[axis]) for axis in counted}
        if any(wait_s > 1e-9 for wait_s in waits.values()):
            scarcest = max(waits, key=waits.__getitem__)
            return Refused(scarcest, self._buckets[scarcest].per_minute, waits[scarcest])
        for axis in counted:
            self._buckets[axis].level -= amounts[axis]
        return None

    def levels(self, axes: Sequence[str]) -> dict[str, Level]:
        """The headers that name limits and what is left of each; empty without limits."""
        found = {axis: self._buckets[axis] for axis in axes if axis in self._buckets}
        return {
            axis: Level(
                bucket.per_minute,
                max(0, math.floor(bucket.level)),
                (bucket.capacity - bucket.level) * 60 / bucket.per_minute,
            )
            for axis, bucket in found.items()
        }
