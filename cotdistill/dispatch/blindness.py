"""A time in which refusals have nothing to do with the pace; and its early end, where nearly all is refused."""

import math
from dataclasses import dataclass

BLIND_S = 30.0

OVERRUN, OVERRUN_SHARE, BLIND_ROUND = 10, 0.7, 400
"""So many refused while blind, and such a share of what was sent: it is a limit after all. Counted anew each round."""


@dataclass
class Blindness:
    until: float = -math.inf
    _from: int = 0
    _refused: int = 0
    """Of the requests from `_from` on."""

    def begin(self, number: int, now: float) -> None:
        """`number` is that of the next request."""
        self.until, self._from, self._refused = now + BLIND_S, number, 0

    def ends(self, number: int, sent: int) -> bool:
        """Request `number` was refused, of so many that were sent. Whether it is a limit after all."""
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
