"""Which requests are being asked right now, by any run on the same store: two runs must not both pay."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from cotdistill.dispatch.errors import NotAskedError
from cotdistill.providers.types import Reply

POLL_S = 0.25


class Claims:
    """A lock on one byte of a file beside the store stands for one request. The system releases it when its process
    dies, however it dies, so no claim outlives its run. Where there are no such locks (Windows), everyone may ask."""

    def __init__(self, store: Path, stored: Callable[[str, int], Reply | None]) -> None:
        """`stored` looks an answer up by key and sample."""
        self._path = store.with_name(f".{store.name}.claims")
        self._stored = stored

    def __enter__(self) -> Self:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)  # and with it every lock; the file stays, for another run may hold it

    @asynccontextmanager
    async def of(self, key: str, sample: int, stop: asyncio.Event) -> AsyncIterator[Reply | None]:
        """Hold the claim, once no other run does; gives the answer if it is in the store by then. Raises NotAskedError
        when `stop` is set while it waits."""
        place = int.from_bytes(hashlib.blake2b(f"{key} {sample}".encode(), digest_size=7).digest())
        while not self._take(place):
            if stop.is_set():
                raise NotAskedError
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), POLL_S)
        try:
            yield self._stored(key, sample)
        finally:
            self._release(place)

    def _take(self, place: int) -> bool:
        try:
            import fcntl
        except ImportError:
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True

    def _release(self, place: int) -> None:
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)
