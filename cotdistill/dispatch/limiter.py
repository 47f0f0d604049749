"""How many requests fly at once, and when nobody may start one because the server asked to wait."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """A slot is held for one attempt only; whoever waits for a retry has given it back."""

    def __init__(self, concurrency: int, stop: asyncio.Event) -> None:
        self._stop = stop
        self._slots = asyncio.Semaphore(concurrency)
        self._not_before = 0.0
        self.in_flight = 0

    def hold(self, wait_s: float) -> None:
        """Let nobody start for `wait_s`: a Retry-After is meant for the account, not for one request."""
        self._not_before = max(self._not_before, time.monotonic() + wait_s)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        while (left := self._not_before - time.monotonic()) > 0 and not self._stop.is_set():
            # Jitter, so that everyone does not come back in the same millisecond.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), left + random.uniform(0, min(5.0, left / 4)))
        async with self._slots:
            self.in_flight += 1
            try:
                yield
            finally:
                self.in_flight -= 1
