"""Token buckets for the limits a minute, which refill continuously as the providers' own do."""

from dataclasses import dataclass
from typing import NamedTuple

from cotdistill.providers.types import Quota, RateLimits
from cotdistill.records import Usage

BURST_S = 5.0
"""The user's limit may be used this many seconds ahead, so that no minute holds much more than the limit."""


@dataclass
class Bucket:
    """`level` units at the time `at` (seconds of a monotonic clock), refilling to `capacity`. It may go below zero, by
    one bucket: then what was sent cost more than was thought. With `fixed`, no header raises the limit."""

    per_minute: float
    capacity: float
    level: float
    at: float
    fixed: bool = False

    @classmethod
    def given(cls, per_minute: int, now: float) -> "Bucket":
        burst = max(1.0, per_minute * BURST_S / 60)
        return cls(per_minute, burst, burst, now, fixed=True)

    @classmethod
    def learnt(cls, quota: Quota, now: float) -> "Bucket":
        level = quota.per_minute if quota.remaining is None else quota.remaining
        return cls(quota.per_minute, quota.per_minute, level, now)

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until `amount` is there; until the bucket is full where it can never hold that much."""
        self._refill(now)
        missing = min(amount, self.capacity) - self.level
        return max(0.0, missing * 60 / self.per_minute) if missing > 1e-6 else 0.0

    def take(self, amount: float, now: float) -> None:
        """Take `amount`; a negative one gives back. The level may fall below zero for an underestimate, by one bucket
        at most: a reported usage may be absurd, and the server itself says what is really spent."""
        self._refill(now)
        self.level = max(-self.capacity, min(self.capacity, self.level - amount))

    def learn(self, quota: Quota, now: float) -> None:
        """Adopt the server's own figures: others may use the same account."""
        self._refill(now)
        if not self.fixed:
            self.per_minute = self.capacity = quota.per_minute
        if quota.remaining is not None:
            self.level = min(self.level, quota.remaining)

    def _refill(self, now: float) -> None:
        self.level = min(self.capacity, self.level + max(0.0, now - self.at) * self.per_minute / 60)
        self.at = now


class Amount(NamedTuple):
    """What one request takes from each axis, in requests or tokens."""

    requests: float = 0
    input_tokens: float = 0
    output_tokens: float = 0

    @property
    def tokens(self) -> float:
        return self.input_tokens + self.output_tokens

    @classmethod
    def of(cls, usage: Usage, guess: "Amount") -> "Amount":
        """The usage of an answer; the guess where its server reports none. Cached input does not count against the
        limits (Anthropic, rate limits page)."""
        return cls(
            1,
            guess.input_tokens if usage.input_tokens is None else usage.input_tokens - (usage.cached_tokens or 0),
            guess.output_tokens if usage.output_tokens is None else usage.output_tokens,
        )

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(
            self.requests - other.requests,
            self.input_tokens - other.input_tokens,
            self.output_tokens - other.output_tokens,
        )


def believable(used: Amount, guess: Amount, limits: RateLimits | None) -> Amount:
    """`used`, or the guess where one answer is said to have taken more tokens than its own headers allow in a minute,
    of which some are left: no server lets that through, so the slip is in the usage."""
    if limits is None:
        return used
    for axis in ("tokens", "input_tokens", "output_tokens"):
        quota: Quota | None = getattr(limits, axis)
        if quota and quota.remaining and getattr(used, axis) > quota.per_minute > 0:
            return guess
    return used


AXES = ("requests", "tokens", "input_tokens", "output_tokens")


class Buckets:
    """One bucket for each axis of `RateLimits` where a limit is given or learnt."""

    def __init__(self, given: dict[str, int | None], now: float) -> None:
        self._buckets = {axis: Bucket.given(limit, now) for axis, limit in given.items() if limit is not None}

    def __bool__(self) -> bool:
        return bool(self._buckets)

    def wait_s(self, amount: Amount, now: float) -> float:
        return max((bucket.wait_s(getattr(amount, axis), now) for axis, bucket in self._buckets.items()), default=0.0)

    def scarcest(self, amount: Amount, now: float) -> tuple[float, str]:
        """The longest wait among all axes, and the axis."""
        waits = ((bucket.wait_s(getattr(amount, axis), now), axis) for axis, bucket in self._buckets.items())
        return max(waits, default=(0.0, ""))

    def per_minute(self, axis: str) -> float:
        return self._buckets[axis].per_minute

    def take(self, amount: Amount, now: float) -> None:
        for axis, bucket in self._buckets.items():
            bucket.take(getattr(amount, axis), now)

    def learn(self, limits: RateLimits, now: float) -> None:
        for axis in AXES:
            quota: Quota | None = getattr(limits, axis)
            if quota is None or quota.per_minute <= 0:
                continue
            if axis in self._buckets:
                self._buckets[axis].learn(quota, now)
            else:
                self._buckets[axis] = Bucket.learnt(quota, now)
