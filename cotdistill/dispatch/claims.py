"""Claims on the requests that are being asked right now, by any run on the same store: two runs must not both pay."""

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar, Self

from cotdistill.dispatch.errors import NotAskedError

POLL_S = 0.25


class Claims:
    """A lock on one byte of a file beside the store stands for one request. The system releases it when its process
    dies, however it dies, so no claim outlives its run. Where there are no such locks (Windows), every process may
    ask. Inside one process the same claims are held by all who open the same store. Where the store is `alone`, no
    other process may use it, and no lock is needed: with hundreds held at once, each takes the system 10 us."""

    def __init__(self, store: Path, *, alone: bool = False) -> None:
        self.path, self._store, self._alone = claims_path(store), store, alone

    def __enter__(self) -> Self:
        mode = self._store.stat().st_mode & 0o666 if self._store.exists() else 0o600
        self._file = _ClaimsFile.opened(self.path, mode, alone=self._alone)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def claim(
        self,
        key: str,
        sample: int,
        stop: asyncio.Event,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> "_Claim":
        """Returns a claim to hold with `async with`, which waits until no other run and no other request of this run
        holds it; `waiting()` is entered for that long. Raises NotAskedError when `stop` is set meanwhile."""
        return _Claim(self._file, key, sample, stop, waiting)


def claims_path(store: Path) -> Path:
    return store.with_name(f".{store.name}.claims")


class _Claim:
    def __init__(
        self,
        file: "_ClaimsFile",
        key: str,
        sample: int,
        stop: asyncio.Event,
        waiting: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._file, self._stop, self._waiting = file, stop, waiting
        self._place = int.from_bytes(blake2b(f"{key} {sample}".encode(), digest_size=7).digest())

    async def __aenter__(self) -> None:
        if self._file.take(self._place):
            return
        with self._waiting():
            while not self._file.take(self._place):
                if self._stop.is_set():
                    raise NotAskedError
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), POLL_S)

    async def __aexit__(self, *_: object) -> None:
        self._file.release(self._place)


@dataclass
class _ClaimsFile:
    """POSIX locks belong to the process, and closing any descriptor of the file drops them all: so a process opens
    the file once, and remembers itself what it holds."""

    path: Path
    descriptor: int
    alone: bool
    users: int = 1
    held: set[int] = field(default_factory=set)

    _open: ClassVar[dict[Path, "_ClaimsFile"]] = {}
    _guard: ClassVar[threading.Lock] = threading.Lock()

    @classmethod
    def opened(cls, path: Path, mode: int, *, alone: bool) -> "_ClaimsFile":
        with cls._guard:
            if known := cls._open.get(path.resolve()):
                known.users += 1
                return known
            made = cls(path.resolve(), os.open(path, os.O_RDWR | os.O_CREAT, 0o600), alone)
            with suppress(OSError):  # whoever may use the store may use its claims, as SQLite has it for its files
                os.fchmod(made.descriptor, mode)
            cls._open[made.path] = made
            return made

    def close(self) -> None:
        with self._guard:
            self.users -= 1
            if not self.users:
                del self._open[self.path]
                os.close(self.descriptor)  # and with it every lock; the file stays, for another run may hold it

    def take(self, place: int) -> bool:
        with self._guard:
            if place in self.held or not self._lock(place):
                return False
            self.held.add(place)
            return True

    def release(self, place: int) -> None:
        with self._guard, suppress(ImportError, OSError):
            self.held.discard(place)
            if self.alone:
                return
            import fcntl

            fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, place)

    def _lock(self, place: int) -> bool:
        if self.alone:
            return True
        try:
            import fcntl
        except ImportError:
            return True
        try:
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True
