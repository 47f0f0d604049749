"""How many requests a second a server takes, when it does not say: found from what it accepts and what it refuses."""

import math
from collections import deque
from dataclasses import dataclass, field

PAUSE_S = 0.5
"""Nobody starts for so long after the server was overrun; doubled as long as next to nothing was accepted since."""

LONGEST_PAUSE_S = 60.0

AT_ONCE = 10
"""Requests that go together after a pause: the server's bucket has refilled a little."""

LOOK_S = 0.05
"""After a refusal, at least: the fate of those in flight tells what it means."""

TRIAL = 24
"""Requests, over at least TRIAL_S, that show what a refusal means: fewer tell nothing."""

TRIAL_S = 0.25

SOME = 3
"""Refusals that are no accident."""

OVERRUN, OVERRUN_WHEN_BLIND, OVERRUN_SHARE = 5, 10, 0.7
"""So many refused from the first one on, and such a share: the server is overrun."""

FEW = 8
"""A rate that was measured on fewer is only a guess."""

LONG_ENOUGH_S = 0.4
"""Between two times that the bucket was empty, for a rate to be measured."""

JUST_UNDER = 0.98
"""Of the rate that was measured."""

LARGEST_CUT = 0.7
"""At one refusal: where a server allows no burst, what it accepted is less than what it would have."""

AGAIN_S = 2.0
"""After a cut, before a further refusal cuts again; twice that without a refusal, and all is well."""

GROWTH, FASTEST_GROWTH = 0.02, 0.5
"""A pace grows by this share a second, and by more the longer nothing is refused."""

DOUBLING_S = 0.5
"""While a pace is a guess, so soon is it doubled."""

CATCH_UP_S = 1.0
"""Turns that were missed while nobody could start are made up for, this much of them."""

TEST = 0.8
"""Of the rate that was measured: there, a limit refuses nothing."""

CLEARLY_LESS = 0.85

BLIND_S = 30.0
"""For so long refusals that do not depend on the pace are not asked about it again, and a measured rate is believed."""


@dataclass
class _Empty:
    """A time at which the server's bucket was empty, and how many requests it had accepted by then."""

    at: float
    accepted: int


@dataclass
class _Trial:
    """What happens from the first refusal on, in the order of sending: request `first` was sent at `at`."""

    first: int
    at: float
    look_s: float
    held_s: float
    testing: bool = False
    refused: int = 0
    latest: int = 0
    last: int | None = None
    decide_at: float = 0.0


@dataclass
class Pace:
    """The rate at which a server refills its own bucket, learnt from its refusals (429).

    A refusal says that the bucket is empty. So what was accepted between two refusals, by the time between them, is
    the rate, whatever burst the server allows. What follows the first refusal in the order of sending tells what it
    means. If nearly all are refused, the server is overrun: pause, then go on at the rate. If one is refused now and
    then, the pace is a little too fast. If several are, it is too fast, or the refusals have nothing to do with it: a
    clearly slower pace is tested, and if requests are refused there too, the pace is blind: there is none for a while.
    """

    rate: float | None = None
    _next_at: float = 0.0
    _grown_at: float = 0.0
    _clean_since: float = 0.0
    _guessed: bool = False
    _began: float | None = None
    _sent: int = 0
    _refused: int = 0
    _held_s: float = 0.0
    _empty: deque[_Empty] = field(default_factory=lambda: deque(maxlen=32), repr=False)
    _trial: _Trial | None = None
    _news_from: int = 0
    _gap_s: float = 0.0
    _proven: float = 0.0
    _proven_at: float = -math.inf
    _contradictions: int = 0
    _pause_s: float = PAUSE_S
    _accepted_at_pause: int = 0
    _blind_until: float = -math.inf

    def blind(self, now: float) -> bool:
        """Refusals have nothing to do with the pace: each concerns one request."""
        return now < self._blind_until

    def wait_s(self, now: float) -> float:
        """Seconds until the next request may start."""
        return max(0.0, self._next_at - now) if self.rate or self._gap_s else 0.0

    def held(self, seconds: float) -> None:
        """Nobody starts for so long, because the server said so."""
        self._held_s += seconds

    def sent(self, now: float) -> int:
        """Gives the number of this request in the order of sending."""
        self._began = now if self._began is None else self._began
        self._sent += 1
        if self.rate is not None:
            if self._next_at > now - 2 / self.rate:  # it is the pace that holds requests back, so it may be too slow
                self._grow(self.rate, now)
            self._grown_at = now
            self._next_at = max(self._next_at, now - CATCH_UP_S) + 1 / self.rate
        elif self._gap_s:
            self._next_at = now + self._gap_s
        if self._trial:
            self._look_at(self._trial, now)
        return self._sent

    def refused(self, number: int, started: float, now: float) -> float:
        """Request `number`, sent at `started`, met a push-back. Gives seconds that nobody should start for."""
        self._refused += 1
        for empty in self._empty:
            empty.accepted -= started <= empty.at
        if number < self._news_from:  # sent before the last decision: it only corrects the counts
            return 0.0
        pause_s, trial, odd = 0.0, self._trial, self._contradicts(now)
        if trial is None:
            look_s = max(LOOK_S, 1.5 * (now - started))
            trial = self._trial = _Trial(number, started, look_s, self._held_s)
            pause_s = self._first_refusal(trial, odd, now)
        elif self.rate is not None and now - self._clean_since > AGAIN_S:
            self._slow_down(odd, now)
        if trial.last is not None and number > trial.last:
            return 0.0
        trial.refused += 1
        trial.latest = max(trial.latest, number)
        enough = OVERRUN_WHEN_BLIND if self.blind(now) else OVERRUN
        if trial.refused >= enough and trial.refused >= OVERRUN_SHARE * (trial.latest - trial.first + 1):
            return self._overrun(trial, now)
        self._contradictions += odd
        if self._contradictions >= SOME:
            self._go_blind(now)
        else:
            self._look_at(trial, now)
        return pause_s

    @property
    def _accepted(self) -> int:
        """Whatever was not refused: refusals come quickly, answers do not."""
        return self._sent - self._refused

    def _first_refusal(self, trial: _Trial, odd: bool, now: float) -> float:
        if self.blind(now):
            return 0.0
        if self.rate is None:  # see what becomes of those in flight, then go on one by one
            self._empty.append(_Empty(now, self._accepted))
            self._gap_s = trial.look_s / 8
            return trial.look_s
        self._slow_down(odd, now)
        return 0.0

    def _slow_down(self, odd: bool, now: float) -> None:
        assert self.rate is not None
        if not odd:
            self._contradictions = 0
            measured, _ = self._measured(self._accepted, now)
            least = self.rate / 2 if self._guessed else LARGEST_CUT * self.rate
            self.rate = max(JUST_UNDER * (measured or 0.0), least)
            self._guessed = False
        self._empty.append(_Empty(now, self._accepted))
        self._clean_since = now

    def _overrun(self, trial: _Trial, now: float) -> float:
        accepted = trial.first - 1 - (self._refused - trial.refused)  # later ones will be refused, most of them
        self._proven = 0.0
        measured, self._guessed = self._measured(accepted, now)
        if measured is None:  # the first time: what was accepted includes the burst
            measured = accepted / max(1.0, now - (self._began or now)) / 2
        self.rate = max(1 / LONGEST_PAUSE_S, measured if self.rate is None else min(self.rate, measured))
        learnt = accepted - self._accepted_at_pause >= SOME
        self._pause_s = PAUSE_S if learnt else min(LONGEST_PAUSE_S, 2 * self._pause_s)
        self._accepted_at_pause = accepted
        self._empty.append(_Empty(now, self._accepted))
        self._blind_until = -math.inf
        self._begin_anew(now)
        self._next_at = now + self._pause_s - min(self._pause_s, AT_ONCE / self.rate)
        return self._pause_s

    def _look_at(self, trial: _Trial, now: float) -> None:
        """Decide once enough was sent, and its fate is known."""
        if trial.last is not None:
            if now >= trial.decide_at:
                self._decide(trial, trial.last, now)
        elif self.rate is not None and not trial.testing and now - self._clean_since > 2 * AGAIN_S:
            self._trial = None
        elif now - trial.at >= TRIAL_S and self._sent - trial.first + 1 >= TRIAL:
            trial.last, trial.decide_at = self._sent, now + trial.look_s

    def _decide(self, trial: _Trial, last: int, now: float) -> None:
        """The trial is over, and most requests survived it."""
        if trial.testing:
            assert self.rate is not None
            self.rate /= TEST
            self._begin_anew(now)
        elif trial.refused >= SOME and not self.blind(now):
            held_s = self._held_s - trial.held_s if self.rate is None else 0.0
            seconds = max(TRIAL_S, trial.decide_at - trial.look_s - trial.at - held_s)
            rate = (last - trial.first + 1 - trial.refused) / seconds
            self._prove(rate, now)
            self.rate, self._next_at, self._guessed = max(1 / LONGEST_PAUSE_S, TEST * rate), now, False
            self._begin_anew(now)
            self._trial = _Trial(self._sent + 1, now, trial.look_s, self._held_s, testing=True)
        else:
            self._trial, self._gap_s = None, 0.0

    def _go_blind(self, now: float) -> None:
        self.rate, self._blind_until = None, now + BLIND_S
        self._empty.clear()
        self._begin_anew(now)

    def _begin_anew(self, now: float) -> None:
        self._trial, self._news_from, self._gap_s, self._contradictions = None, self._sent + 1, 0.0, 0
        self._clean_since = self._grown_at = now

    def _contradicts(self, now: float) -> bool:
        """A refusal now does not go with the rate that was measured of late: clearly less was sent."""
        if self.rate is None or now - self._proven_at >= BLIND_S:
            return False
        least = CLEARLY_LESS * self._proven
        if self.rate < least or not self._empty:
            return self.rate < least
        last = self._empty[-1]
        return self._accepted - last.accepted + 2 < least * min(now - last.at, PAUSE_S)

    def _grow(self, rate: float, now: float) -> None:
        seconds, clean_s = min(now - self._grown_at, CATCH_UP_S), now - self._clean_since
        if self._guessed:
            self.rate = rate * 2 ** (seconds / DOUBLING_S)
        elif self._trial is None or clean_s > AGAIN_S / 2:
            self.rate = rate * (1 + seconds * min(FASTEST_GROWTH, GROWTH * (1 + clean_s**2 / 3)))

    def _measured(self, accepted: int, now: float) -> tuple[float | None, bool]:
        """Since the latest time that the bucket was empty, and that is long enough ago; and whether that is a guess."""
        rate, guessed = None, True
        for empty in reversed(self._empty):
            count, seconds = accepted - empty.accepted, now - empty.at
            if seconds < LONG_ENOUGH_S:
                continue
            rate, guessed = max(count, 0.5) / seconds, count < FEW
            if count >= TRIAL:
                if seconds >= 1:
                    self._prove(rate, now)
                break
        return rate, guessed

    def _prove(self, rate: float, now: float) -> None:
        if rate > self._proven or now - self._proven_at > BLIND_S:
            self._proven, self._proven_at = rate, now
