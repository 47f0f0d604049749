"""How many requests fly at once: more while the server answers more for it, fewer when it does not keep up."""

import logging
import math
from dataclasses import dataclass, field

SPACE_S = 0.01
"""The longest pause between two requests while the window grows: requests that start together would be refused
together."""

CUT = 0.7
"""The window's share that stays after an overload. After a time-out or a lost connection it is halved, because what was
computed is lost."""

FEWEST = 4
"""A mean latency is taken of at least this many answers."""

LEAST_GAIN = 1.25
"""If twice as many requests bring fewer than this many times the answers a second, they wait in the server's queue."""

IN_TIME = 0.5
"""Share of the time-out: if the doubled window would make answers take longer, they are as good as lost."""

MOST_PATIENCE = 64
"""The most rounds before a window that was too large once is tried again."""

log = logging.getLogger(__name__)


@dataclass
class ConcurrencyWindow:
    """At first doubled by every round of answers, as long as twice the requests bring clearly more answers a second;
    then grown by a twentieth a round. Cut at an overload, a time-out or a lost connection, once for all that were sent
    before it; where it was too large, it is tried again after twice as many rounds each time. A round is as many
    answers as the window is wide: without answers it never grows. (TCP's slow start and additive increase,
    multiplicative decrease: Chiu and Jain 1989; delay as a sign of a full queue: Brakmo and Peterson 1995.)"""

    most: int
    limit: int
    timeout_s: float = math.inf
    _starting: bool = True
    _clean: int = 0
    _cut_at: float = -math.inf
    _next_at: float = 0.0
    _latency_s: float = 0.1
    """A moving average, which spaces the requests."""
    _level_at: float = -math.inf
    """When the window got its present width; only requests sent since then say something about it."""
    _round_at: float = -math.inf
    """When the first answer of this round came."""
    _level: list[float] = field(default_factory=list, repr=False)
    _before_s: float | None = None
    """The mean latency at half the present width."""
    _too_large: int = 0
    """The width at which the server was overloaded; 0 where it never was."""
    _patience: int = 1
    _rounds: int = 0

    def __post_init__(self) -> None:
        if self.limit >= self.most:
            self.limit, self._starting = self.most, False

    def wait_s(self, in_flight: int, now: float) -> float:
        """Seconds until one more request may start; infinite when only an answer makes room."""
        if in_flight >= self.limit:
            return math.inf
        return max(0.0, self._next_at - now) if self._starting else 0.0

    def sent(self, now: float) -> None:
        if self._starting:
            self._next_at = now + min(SPACE_S, self._latency_s / self.limit)

    def answered(self, in_flight: int, started: float, now: float) -> None:
        self._latency_s += (now - started - self._latency_s) / 8
        if started <= self._cut_at or in_flight < self.limit / 2:  # a window that is not used proves nothing
            return
        self._clean += 1
        if started >= self._level_at:
            self._round_at = self._round_at if self._level else now
            self._level.append(now - started)
        if self._starting:
            if len(self._level) >= max(FEWEST, self.limit):
                self._double(now)
        elif self._clean >= self.limit:
            self._end_round()

    def limited(self, now: float) -> None:
        """A limit of another kind was hit, so this round proves nothing."""
        self._clean = 0
        self._level.clear()

    def overloaded(self, started: float, now: float, *, lost: bool = False) -> None:
        """Cut the window. `lost`: not a refusal but a time-out or a broken connection, so what was computed may be
        computed again."""
        self._starting = False
        if started <= self._cut_at:
            return
        self._patience = min(MOST_PATIENCE, 2 * self._patience) if self.limit <= self._too_large else 1
        self._too_large = self.limit
        self._cut_at, self._clean, self._rounds = now, 0, 0
        self.limit = max(1, int(self.limit * (0.5 if lost else CUT)))
        log.debug("overloaded: at most %d in flight", self.limit)

    def _double(self, now: float) -> None:
        """At the end of a round of the slow start: double again, or stay where the server was already busy."""
        latency_s = sum(self._level) / len(self._level)
        late = latency_s * 2 > self.timeout_s * IN_TIME
        no_gain = self._before_s is not None and 2 * self._before_s < LEAST_GAIN * latency_s
        if no_gain and not late:
            self.limit = max(1, self.limit // 2)  # as many answers a second, and each of them sooner
        if late or no_gain:
            self._starting, self._clean = False, 0
            return
        self._before_s, self._level_at = latency_s, self._round_at  # what replaced its answers is of the next
        self._level.clear()
        self._clean = 0
        self.limit = min(self.most, 2 * self.limit)
        self._starting = self.limit < self.most

    def _end_round(self) -> None:
        self._clean, self._rounds = 0, self._rounds + 1
        wider = self.limit + max(1, self.limit // 20)
        if self._latency_s * wider / self.limit > self.timeout_s * IN_TIME:
            return
        if self._too_large and wider >= self._too_large and self._rounds < self._patience:
            return
        self.limit, self._rounds = min(self.most, wider), 0
