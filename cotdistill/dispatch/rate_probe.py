"""How many requests a second a server takes, when it does not say: found from what it accepts and what it refuses.

A server that limits requests keeps a bucket that refills at its rate and holds its burst. A refusal (429) says that the
bucket is empty. So what is accepted between two refusals, by the time between them, is a lower bound of the rate, and
the rate itself where the bucket did not run over in between.

| state     | known by       | a refusal means                                | then                     |
|-----------|----------------|------------------------------------------------|--------------------------|
| free      | no rate or gap | the bucket is empty, if the next one is        | pause, measure           |
|           |                | refused too (`LoneRefusals`)                   |                          |
| measuring | `_gap_s`       | empty again: what was accepted since is the    | pace                     |
|           |                | rate                                           |                          |
| pacing    | `rate`         | a little too fast; by an unknown factor where  | measure anew; or search  |
|           |                | the bucket ran over before (`FoundRate`)       | between the two bounds   |
| blind     | `blind(now)`   | nothing: a limit would not have refused so     | each request waits by    |
|           |                | soon again, or at so slow a pace               | itself                   |

In every state several refusals in a row, none accepted in between, make a pause, each twice as long as the last.
"""

from dataclasses import dataclass, field

from cotdistill.dispatch.blindness import Blindness
from cotdistill.dispatch.found_rate import DOUBLING_S, FoundRate
from cotdistill.dispatch.lone_refusals import AT_ONCE, LoneRefusals

PAUSE_S = 0.5
"""The first pause; each further one is twice as long."""
LONGEST_PAUSE_S = 60.0
"""A limit a minute has refilled by then."""

IN_A_ROW = 3
"""After this many refusals with nothing accepted in between the server takes nothing for now."""

LEAST_GAP_S = 0.005
"""The least pause between two requests while measuring; else it is as long as a refusal takes to come back."""

CATCH_UP_S = 1.0
"""Turns missed while no request could start are made up for, up to this many seconds' worth."""


@dataclass
class RateProbe:
    found: FoundRate = field(default_factory=FoundRate, repr=False)
    _gap_s: float = 0.0
    _next_at: float = 0.0
    _began: float | None = None
    _sent: int = 0
    _refused: int = 0
    _before_first: tuple[int, float] = (0, 0.0)
    """Requests accepted, and seconds, before the first refusal."""
    _last_refused: int = 0
    _in_a_row: int = 0
    _pause_s: float = PAUSE_S
    _idle_s: float = 0.0
    """Seconds without a request since the bucket was empty: it may have overflowed."""
    _news_from: int = 0
    _clean_since: float = 0.0
    _grown_at: float = 0.0
    _blindness: Blindness = field(default_factory=Blindness)
    lone: LoneRefusals = field(default_factory=LoneRefusals)
    _suspected: tuple[int, float] = (0, 0.0)
    """Requests accepted before the first of the last refusals that were close together, and when that was sent."""
    _forgotten: int = 0
    """Requests that had been accepted when the probe last started over."""

    @property
    def rate(self) -> float | None:
        """Requests a second; None while no limit is known."""
        return self.found.pace

    def blind(self, now: float) -> bool:
        """Whether refusals are not read as a rate limit now: each concerns one request."""
        return now < self._blindness.until

    @property
    def in_doubt(self) -> bool:
        """Whether the last refusal may be a lone one."""
        return self.lone.wait_s > 0

    def wait_s(self, now: float) -> float:
        """Seconds until the next request may start."""
        return max(0.0, self._next_at - now)

    def held(self, seconds: float) -> None:
        """Note that nothing starts for `seconds`, because the server asked for it."""
        self._idle_s += seconds

    def sent(self, now: float) -> int:
        """Count a request; returns its number in the order of sending."""
        self._began = now if self._began is None else self._began
        tested = self.lone.wait_s > 0 and not self.lone.to_send
        if tested and self.lone.outcome(self._sent - self._last_refused, pacing=self.rate is not None):
            self._go_blind(now)
        self._sent += 1
        self.lone.to_send = max(0, self.lone.to_send - 1)
        if self.rate is not None:
            if self._next_at > now - 2 / self.rate:  # it is the pace that holds requests back, so it may be too slow
                self._grow(self.rate, now)
            self._grown_at = now
            self._next_at = max(self._next_at, now - CATCH_UP_S) + 1 / self.rate
            if self.lone.to_send:
                self._next_at = now + min(LEAST_GAP_S, AT_ONCE / self.rate)
            elif self.lone.wait_s:
                self._next_at = now + max(1 / self.rate, self.lone.wait_s)
        elif self.lone.wait_s:
            self._next_at = now + self.lone.wait_s
        elif self._gap_s:
            self._next_at = now + self._gap_s
            self._widen(now)
        return self._sent

    def refused(self, number: int, started: float, now: float) -> float:
        """Request `number`, sent at `started`, was pushed back. Returns for how many seconds nothing should start."""
        self._refused += 1
        if number < self._news_from:  # sent before the last decision: it only corrects the counts
            self.found.bound.refused(number)
            self._last_refused = max(self._last_refused, number)
            return 0.0
        if not (self._last_refused and self.lone.near(number - self._last_refused)):
            self._suspected = number - self._refused, started
        self._in_a_row = self._in_a_row + 1 if number == self._last_refused + 1 else 1
        self._last_refused = max(self._last_refused, number)
        if self.blind(now):
            if not self._blindness.ends(number, self._sent):
                return 0.0
            self._suspected = self._sent - self._refused, started
            return self._first(started, now)
        if self.rate is not None and self.lone.wait_s:
            return 0.0  # the pace has been corrected already; the test will say more
        accepted = number - self._refused
        if self.rate is None and not self._gap_s:
            return self._while_free(started, now)
        return self._again(accepted, started, now)

    def _while_free(self, started: float, now: float) -> float:
        if self.lone.say_limit(self._in_a_row):
            return self._first(started, now)
        self.lone.test_one(now - started)
        self._next_at = now + LEAST_GAP_S
        return 0.0

    def _again(self, accepted: int, started: float, now: float) -> float:
        """The bucket is empty, and not for the first time."""
        last = self.found.bound.last
        since, seconds = accepted - last.accepted, max(1e-3, started - last.at)
        if self._in_a_row >= IN_A_ROW or (self.rate is None and since <= 0):
            return self._pause(now)
        if self.rate is None:
            self.found.measure(since, seconds, self._before_first, self._idle_s, now)
            self._gap_s, self._pause_s = 0.0, PAUSE_S
        elif self.found.correct(self.rate, accepted, since, started, now):
            self._pause_s = PAUSE_S
        else:
            self._go_blind(now)
        self._empty(now)
        if self.rate is not None and self.lone.test_pace(now - started):
            self._next_at = now + min(LEAST_GAP_S, AT_ONCE / self.rate)
        return 0.0

    def _first(self, started: float, now: float) -> float:
        self.lone.wait_s = 0.0
        accepted, emptied = self._suspected
        self._before_first = accepted - self._forgotten, emptied - (self._began or emptied)
        self._gap_s = max(LEAST_GAP_S, now - started)
        self._empty(now)
        self._idle_s = self._pause_s
        return self._pause_s

    def _pause(self, now: float) -> float:
        """Pause longer each time, until something is accepted again."""
        self._news_from, self._in_a_row = self._sent + 1, IN_A_ROW - 1
        self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s)
        self._idle_s += self._pause_s
        self._next_at = now + self._pause_s
        self._clean_since = self._grown_at = now
        return self._pause_s

    def _empty(self, now: float) -> None:
        self.found.bound.empty(now, self._sent, self._sent - self._refused)
        self._news_from, self._clean_since, self._grown_at, self._idle_s = self._sent + 1, now, now, 0.0
        if self.rate is not None:
            self._next_at = now + 1 / self.rate

    def _go_blind(self, now: float) -> None:
        self._forget()
        self._blindness.begin(self._sent + 1, now)

    def _forget(self) -> None:
        """Start over, as if nothing had been refused."""
        self.found.forget()
        self._gap_s, self._next_at = 0.0, 0.0
        self._began, self._news_from, self._forgotten = None, self._sent + 1, self._sent - self._refused
        self.lone.forget()

    def _widen(self, now: float) -> None:
        """Send faster after a while without a refusal, in the end as fast as before the first one."""
        clean_s = now - self._clean_since - self._idle_s
        if clean_s > CATCH_UP_S and now - self._grown_at > DOUBLING_S:
            self._gap_s, self._grown_at = self._gap_s / 2, now
            if self._gap_s < LEAST_GAP_S / 8:
                self._forget()

    def _grow(self, rate: float, now: float) -> None:
        seconds, clean_s = min(now - self._grown_at, CATCH_UP_S), now - self._clean_since
        if self.found.grow(rate, seconds, clean_s, self._sent - self._news_from):
            self._news_from = self._sent + 1
