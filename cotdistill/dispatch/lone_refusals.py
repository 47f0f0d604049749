"""Tells a rate limit's refusals from lone ones: some servers refuse one request in twenty for reasons of their own.

An empty bucket refuses the next request too. So after a refusal one or two requests are sent at once, and nothing else
is sent until their outcome is known.
"""

from dataclasses import dataclass

IN_DOUBT, MOST_STRAYS = 2, 3
"""This many refusals in a row say that the bucket is empty: one more for each lone refusal so far, but at most so many
more."""

BEFORE_DOUBT, LONE = 5, 3
"""After this many refusals of a pace each further one is tested, after twice as many once a test has shown a limit. If
so many in a row are lone ones, there is no limit."""

PROBES = 2
"""Requests of a test: a bucket that is just empty lacks a little of one request."""

AT_ONCE = 0.2
"""The share of the time in which an empty bucket refills by one request, within which a test is sent."""

CLOSE_BY = 2
"""If at most this many requests lie between two refusals, the first was no lone one."""

LEAST_WAIT_S = 0.005
"""The least wait for a test's outcome; else it is twice as long as the refusal took to come back."""


@dataclass
class LoneRefusals:
    wait_s: float = 0.0
    """Seconds to wait for the outcome of a running test; 0 where none runs."""
    to_send: int = 0
    """Requests of the test that are still to be sent."""
    strays: int = 0
    """Lone refusals so far, while no limit was known."""
    _paced: int = 0
    """Refusals since a pace was found."""
    _credit: int = BEFORE_DOUBT
    """This many of them are attributed to the limit without a test."""
    _lone: int = 0
    """How many of the tested ones in a row were lone refusals."""

    def near(self, apart: int) -> bool:
        """Whether two refusals `apart` requests apart belong together: a bucket that lacks little of a request refuses
        one and takes the next, so the first was no lone refusal."""
        if 1 < apart <= CLOSE_BY and self.strays:
            self.strays -= 1
        return apart <= CLOSE_BY

    def say_limit(self, in_a_row: int) -> bool:
        """Whether this many refusals in a row mean a limit; if not, a test of one request begins."""
        return in_a_row >= IN_DOUBT + min(MOST_STRAYS, self.strays)

    def test_one(self, latency_s: float) -> None:
        self.wait_s, self.to_send = max(LEAST_WAIT_S, 2 * latency_s), 1

    def test_pace(self, latency_s: float) -> bool:
        """Note a refusal of the pace. Returns whether a test begins: then the next requests go out at once."""
        self._paced += 1
        if self.wait_s or self._paced <= self._credit:
            return False
        self.wait_s, self.to_send = 2 * latency_s, PROBES
        return True

    def outcome(self, clean: int, *, pacing: bool) -> bool:
        """End a test after which `clean` requests were not refused. Returns whether there is no limit at all."""
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
        """Start over, because the refused pace is no longer used."""
        self.wait_s, self._paced, self._lone, self._credit = 0.0, 0, 0, BEFORE_DOUBT
