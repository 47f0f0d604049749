"""How many requests fly at once: grown while the server keeps up, cut when it does not."""

import logging
import math
from dataclasses import dataclass

ROUND_S = 1.0
"""Answers may take minutes, refusals do not: a window that was full for so long is proven."""

SPACE_S = 0.01
"""Between two requests while the window grows, at most: those that start together would be refused together."""

log = logging.getLogger(__name__)

CUT = 0.7


@dataclass
class Window:
    """Doubled by every round without push-back until the first overload, then grown by a twentieth a round; cut at an
    overload, once for all that were sent before it. A round is as many answers as the window is wide, or ROUND_S of a
    full window. (TCP's slow start and additive increase, multiplicative decrease: Chiu and Jain 1989.)"""

    most: int
    limit: int
    _starting: bool = True
    _clean: int = 0
    _round_at: float | None = None
    _cut_at: float = -math.inf
    _next_at: float = 0.0
    _latency_s: float = 0.1

    def __post_init__(self) -> None:
        if self.limit >= self.most:
            self.limit, self._starting = self.most, False

    def wait_s(self, in_flight: int, now: float) -> float:
        """Seconds until one more may start; infinite when only an answer makes room."""
        if in_flight >= self.limit:
            return self._grow_in(now)
        return max(0.0, self._next_at - now) if self._starting else 0.0

    def sent(self, now: float) -> None:
        if self._starting:
            self._next_at = now + min(SPACE_S, self._latency_s / (2 * self.limit))

    def answered(self, in_flight: int, started: float, now: float) -> None:
        self._latency_s += (now - started - self._latency_s) / 8
        if started <= self._cut_at or in_flight < self.limit / 2:  # a window that is not used proves nothing
            return
        self._clean += 1
        if self._clean >= self.limit:
            self._grow(now)

    def limited(self, now: float) -> None:
        """A limit of another kind was met: this round proves nothing."""
        self._clean, self._round_at = 0, now

    def overloaded(self, started: float, now: float) -> None:
        self._starting = False
        if started > self._cut_at:
            self._cut_at, self._clean = now, 0
            self.limit = max(1, int(self.limit * CUT))
            log.debug("overloaded: at most %d in flight", self.limit)

    def _grow_in(self, now: float) -> float:
        if not self._starting:
            return math.inf
        if self._round_at is None:
            self._round_at = now
        left_s = self._round_at + ROUND_S - now
        if left_s <= 0:
            self._grow(now)
        return max(0.0, left_s)

    def _grow(self, now: float) -> None:
        self._clean, self._round_at = 0, now
        self.limit = min(self.most, self.limit + (self.limit if self._starting else max(1, self.limit // 20)))
        self._starting = self._starting and self.limit < self.most
