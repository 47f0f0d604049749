"""Whether a refusal is a limit's or a lone one: some servers refuse one request in twenty for reasons of their own.

An empty bucket refuses the next request too. So after a refusal a request or two are sent at once, and what becomes of
them is awaited before anything else is sent.
"""

from dataclasses import dataclass

IN_DOUBT, MOST_STRAYS = 2, 3
"""Refusals in a row that say that the bucket is empty: one more for each that was a lone one, up to so many."""

BEFORE_DOUBT, LONE = 5, 3
"""Refusals of a pace after which each further one is tested, twice as many once a test has shown a limit;
so many lone ones in a row say that there is none."""

PROBES = 2
"""A bucket that is just empty lacks a little of one request."""

AT_ONCE = 0.2
"""Of the time in which an empty bucket gets what one request takes."""

CLOSE_BY = 2
"""Requests between two refusals of which the first was no lone one."""

LEAST_WAIT_S = 0.005
"""For the outcome of a test, at least; else twice as long as the refusal took to come back."""


@dataclass
class LoneRefusals:
    wait_s: float = 0.0
    """For the outcome of a test that is under way; 0 where none is."""
    to_send: int = 0
    """Requests of the test that are still to be sent."""
    strays: int = 0
    """Lone ones so far, while no limit was known."""
    _paced: int = 0
    """Refusals since a pace was found."""
    _credit: int = BEFORE_DOUBT
    """So many of them are taken for the limit's."""
    _lone: int = 0
    """How many of the others were lone ones, in a row."""

    def near(self, apart: int) -> bool:
        """Whether two refusals so many requests apart are close: a bucket that lacks little of a request refuses one
        and takes the next, so the first was no lone one."""
        if 1 < apart <= CLOSE_BY and self.strays:
            self.strays -= 1
        return apart <= CLOSE_BY

    def say_limit(self, in_a_row: int) -> bool:
        """Whether so many refusals in a row are a limit's; else a test of one request begins."""
        return in_a_row >= IN_DOUBT + min(MOST_STRAYS, self.strays)

    def test_one(self, latency_s: float) -> None:
        self.wait_s, self.to_send = max(LEAST_WAIT_S, 2 * latency_s), 1

    def test_pace(self, latency_s: float) -> bool:
        """A pace was refused. Whether a test begins: then the next requests go out at once."""
        self._paced += 1
        if self.wait_s or self._paced <= self._credit:
            return False
        self.wait_s, self.to_send = 2 * latency_s, PROBES
        return True

    def outcome(self, clean: int, *, pacing: bool) -> bool:
        """The end of a test, after which `clean` requests were not refused. Whether there is no limit at all."""
        self.wait_s = 0.0
        if not pacing:
            self.strays += clean > 0
            return False
        if clean < PROBES:
            self._lone, self._paced, self._credit = 0, 0, 2 * self._credit
            return False
        self._lone += 1
        return self._lone >= LONE

    def forget(self) -> None:
        """The pace that was refused is none any more."""
        self.wait_s, self._paced, self._lone, self._credit = 0.0, 0, 0, BEFORE_DOUBT
