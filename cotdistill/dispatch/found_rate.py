"""The rate of a server's limit, as found so far: measured between two refusals, corrected by later ones, and raised
while nothing is refused. It lies between a pace at which nothing was refused and one at which something was."""

from dataclasses import dataclass, field

from cotdistill.dispatch.lower_bound import SOON, LowerBound

JUST_UNDER = 0.98
"""The share of the measured rate that is sent at."""

CLOSE = 0.95
"""A pace this near to one at which something was refused is near enough."""

FEW = 4
"""With fewer accepted requests nothing was measured."""

TEST = 0.75
"""The share of the measured rate at which a limit refuses nothing."""

ODD_IN_A_ROW = 4
"""After this many odd refusals in a row (see `lower_bound.SOON`) refusals have nothing to do with the pace."""

CLEARLY_LESS = 0.85
"""A rate below this share of another differs from it by more than the noise of a measurement."""

CONTRADICTIONS = 2
"""After this many refusals at clearly less than the server's least rate, the pace is blind."""

LARGE_CUT = 0.7
"""The factor of a cut where the pace was too fast by an unknown factor."""

DOUBLING_S = 0.5
"""Seconds after which a guessed pace is doubled."""

PATIENCE_S = 4.0
"""Seconds without a refusal before a measured pace grows: by GROWTH a second, and faster the longer it lasts."""

GROWTH, UNSETTLED_GROWTH = 0.003, 0.03


@dataclass
class FoundRate:
    """`pace` is how many requests are sent a second; None while no limit is known."""

    pace: float | None = None
    guessed: bool = False
    """The bucket overflowed while it was measured: the rate may be larger by an unknown factor."""
    bound: LowerBound = field(default_factory=LowerBound, repr=False)
    _burst: float = 0.0
    """Requests accepted before the first refusal, less those that refilled meanwhile at the rate found later."""
    _settled: bool = False
    """The pace was measured over a time in which the bucket cannot have overflowed."""
    _good: float = 0.0
    """A pace at which nothing was refused, …"""
    _bad: float = 0.0
    """… and one at which something was: the rate lies between them."""
    _contradictions: int = 0
    _odd: int = 0
    """Refusals in a row with few requests accepted in between."""

    def measure(self, since: int, seconds: float, before_first: tuple[int, float], idle_s: float, now: float) -> None:
        """The bucket is empty for the second time, `since` requests and `seconds` after the first. `before_first`:
        requests accepted, and seconds, before the first time. Nothing was sent for `idle_s` of the time in between."""
        rate = (since + (0.5 if since < FEW else 0)) / seconds
        accepted, before_s = before_first
        self._burst = accepted - rate * before_s
        self.guessed = rate * idle_s > CLEARLY_LESS * self._burst
        self.bound.know(rate, now)
        self.pace = rate if self.guessed else JUST_UNDER * rate

    def correct(self, rate: float, accepted: int, since: int, started: float, now: float) -> bool:
        """A pace that was thought right met a refusal, `since` requests after the last one. Returns whether refusals
        have to do with the pace at all."""
        found = self.bound.found(accepted, started)
        self._odd = self._odd + 1 if since < SOON else 0
        if self._odd >= ODD_IN_A_ROW:
            return False
        if rate <= CLEARLY_LESS * self.bound.least_at(now):
            self._contradictions += 1
            if self._contradictions >= CONTRADICTIONS:
                return False
        elif since < SOON and 0 < self._good < JUST_UNDER * rate:  # back to where nothing was refused
            self._bad, self.pace = rate, self._good
        elif found and found < CLEARLY_LESS * rate:  # the bucket ran over when the pace was slower
            self._bad = rate if self._burst < SOON else 0.0  # a large bucket hides for long that a pace is too fast
            self.pace = max(JUST_UNDER * found, LARGE_CUT * rate)
            self.bound.know(found, now)
        elif not found:  # too fast, or nothing to do with the pace
            self._bad, self.pace = rate, TEST * rate
        else:
            self._bad, self.pace = 0.0, JUST_UNDER * self.bound.know(found, now)
            self._contradictions = 0
        self.guessed, self._good, self._settled = False, 0.0, since >= SOON
        return True

    def grow(self, rate: float, seconds: float, clean_s: float, sent: int) -> bool:
        """Grow by what `seconds` allow, with nothing refused for `clean_s` and `sent` requests sent since the last
        decision. Returns whether this was a decision."""
        if self.guessed:
            self.pace = rate * 2 ** (seconds / DOUBLING_S)
        elif sent < SOON:
            return False
        elif rate < CLOSE * self._bad:  # between the two
            self._good, self.pace = rate, (rate + self._bad) / 2
            return True
        elif self._bad == 0 and rate < JUST_UNDER * self.bound.least:  # the test is passed
            self.pace = JUST_UNDER * self.bound.least
        elif clean_s > PATIENCE_S or not self._settled:
            growth = GROWTH if self._settled else UNSETTLED_GROWTH
            self.pace = rate * (1 + seconds * growth * (1 + (clean_s / 20) ** 2))
        return False

    def forget(self) -> None:
        """Start over, as if nothing had been refused."""
        self.pace, self.guessed, self.bound = None, False, LowerBound()
        self._contradictions, self._odd, self._good, self._bad = 0, 0, 0.0, 0.0
