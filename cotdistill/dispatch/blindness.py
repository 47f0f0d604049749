"""A span of time in which refusals are not read as a rate limit, and its early end where nearly everything is
refused."""

import math
from dataclasses import dataclass

BLIND_S = 30.0
"""How long refusals are ignored before the rate is looked for again."""

OVERRUN, OVERRUN_SHARE, BLIND_ROUND = 10, 0.7, 400
"""If this many requests, and this share of those sent, are refused while blind, it is a limit after all. Counted anew
each round."""


@dataclass
class Blindness:
    until: float = -math.inf
    _from: int = 0
    _refused: int = 0
    """Refusals among the requests from number `_from` on."""

    def begin(self, number: int, now: float) -> None:
        """Start ignoring refusals; `number` is that of the next request."""
        self.until, self._from, self._refused = now + BLIND_S, number, 0

    def ends(self, number: int, sent: int) -> bool:
        """Note that request `number` of `sent` was refused. Returns whether it is a limit after all."""
        if number < self._from:
            return False
        self._refused += 1
        some = sent - self._from + 1
        if self._refused >= max(OVERRUN, OVERRUN_SHARE * some):
            self.until = -math.inf
            return True
        if some >= BLIND_ROUND:
            self._from, self._refused = sent + 1, 0
        return False
