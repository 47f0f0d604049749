"""Items by key, given back key by key: in memory while they are few, sorted on disk beyond, so that memory is flat.

An external merge sort (Knuth, The Art of Computer Programming 3, section 5.4): sorted runs, merged at the end.
"""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import IO

import msgspec

from cotdistill.errors import CotDistillError

RUN_BYTES = 16_000_000
"""Bytes held in memory."""

_MOST_RUNS = 64
"""Files that are open at once; more are merged into one."""

_FRAME_BYTES = 1_000_000
_LENGTH_BYTES = 4

Entry = tuple[bytes, int, bytes]
"""Key, place among all items, item."""


class Spool:
    """Collects items by key. Raises CotDistillError where the disk for temporary files (TMPDIR) is full."""

    def __init__(self, run_bytes: int = RUN_BYTES) -> None:
        self._run_bytes = run_bytes
        self._held: list[Entry] = []
        self._bytes = self._count = 0
        self._runs: list[IO[bytes]] = []

    def add(self, key: bytes, item: bytes) -> None:
        self._held.append((key, self._count, item))
        self._count += 1
        self._bytes += len(key) + len(item) + 150  # of Python's own
        if self._bytes > self._run_bytes:
            self._put_away()

    def by_key(self) -> Iterator[Iterator[bytes]]:
        """Yields the items of every key in the order they came. It may be called once."""
        self._held.sort()
        entries: Iterable[Entry] = merge(*map(_read, self._runs), self._held)
        try:
            for _, group in groupby(entries, key=itemgetter(0)):
                yield (item for _, _, item in group)
        finally:
            for run in self._runs:
                run.close()
            self._held, self._runs = [], []

    def _put_away(self) -> None:
        self._held.sort()
        self._runs.append(_written(self._held))
        self._held, self._bytes = [], 0
        if len(self._runs) > _MOST_RUNS:
            runs, self._runs = self._runs, [_written(merge(*map(_read, self._runs)))]
            for run in runs:
                run.close()


def _written(entries: Iterable[Entry]) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        frame: list[Entry] = []
        size = 0
        for entry in entries:
            frame.append(entry)
            size += len(entry[0]) + len(entry[2])
            if size > _FRAME_BYTES:
                _write(file, frame)
                frame, size = [], 0
        _write(file, frame)
        file.flush()
    except OSError as error:
        with suppress(OSError):
            file.close()  # writes what is buffered, which fails again
        raise CotDistillError(
            f"{tempfile.gettempdir()}: cannot sort there what is compared for duplicates: {error.strerror}; "
            f"name a directory with room in TMPDIR"
        ) from None
    return file


def _write(file: IO[bytes], frame: list[Entry]) -> None:
    data = msgspec.msgpack.encode(frame)
    file.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)


def _read(file: IO[bytes]) -> Iterator[Entry]:
    file.seek(0)
    decoder = msgspec.msgpack.Decoder(list[Entry])
    while length := file.read(_LENGTH_BYTES):
        yield from decoder.decode(file.read(int.from_bytes(length, "big")))
