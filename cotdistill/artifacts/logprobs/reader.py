"""Reading log-probabilities: one answer after another, by name, in any order."""

import os
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Self, TypeVar

import msgspec

from cotdistill.artifacts.frames import FrameWriter, frame_at, scan
from cotdistill.artifacts.logprobs.columns import (
    MAGIC,
    MARK,
    NAME_BYTES,
    NEVER,
    NO_TOKEN,
    TAIL,
    Index,
    Logprobs,
    Position,
    Token,
    check_magic,
    logarithms,
    name_of,
    name_of_row,
    offsets,
    places,
)
from cotdistill.artifacts.logprobs.writer import Table
from cotdistill.artifacts.opening import open_input
from cotdistill.errors import CotDistillError

T = TypeVar("T")


class LogprobsReader:
    """Answers by their request, or by the id of a training row. Reads no more of the file than what is asked for."""

    def __init__(self, path: Path) -> None:
        """Raises CotDistillError for a file of another kind, or one that is broken."""
        self.path = path
        self.tokens: list[Token] = []
        """The table that every answer's columns point into."""
        self._file: BinaryIO = open_input(path)
        try:
            check_magic(path, self._file)
            self._names, self._offsets = self._index()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def of(self, request_key: str, sample: int) -> Logprobs | None:
        """One answer; None where the file has nothing of it."""
        return self._get(name_of(request_key, sample))

    def of_row(self, row: str) -> Logprobs | None:
        """The answer that a training row was made of, by the row's id."""
        return self._get(name_of_row(row))

    def named(self, column: bytes) -> list[Token | None]:
        """The tokens of a column."""
        try:
            return [None if one == NO_TOKEN else self.tokens[one] for one in places(column)]
        except IndexError:
            raise self._broken("an answer has tokens that its table does not have") from None

    def positions(self, one: Logprobs) -> list[Position]:
        """An answer token by token, as the server sent it."""
        tops = list(zip(self.named(one.top), logarithms(one.top_logprobs), strict=True))
        given = [
            tuple(pair for pair in tops[n : n + one.k] if pair != (None, NEVER))
            for n in range(0, len(tops), one.k or 1)
        ] or [()] * len(one)
        return [Position(*found) for found in zip(self.named(one.tokens), logarithms(one.logprobs), given, strict=True)]

    def _get(self, name: bytes) -> Logprobs | None:
        place = bisect_left(self._names, name)
        if place == len(self._names) or self._names[place] != name:
            return None
        return self._read(self._offsets[place], b"A", Logprobs)

    def _index(self) -> "tuple[_Names, Sequence[int]]":
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(0, size - TAIL.size))
        tail = self._file.read()
        if not tail.endswith(MARK):
            return self._scanned()
        index = self._read(TAIL.unpack(tail)[0], b"E", Index)
        for offset in offsets(index.tables):
            self.tokens += self._read(offset, b"T", list[Token])
        return _Names(index.names), array("Q", offsets(index.offsets))

    def _scanned(self) -> "tuple[_Names, Sequence[int]]":
        """Of a file that is still being written, or was when its process died."""
        table = Table(FrameWriter(lambda data: None))
        for frame in scan(self._file, len(MAGIC)):
            table.take_up(frame)
        self.tokens = list(table.places)
        names = sorted(table.offsets)
        return _Names(b"".join(names)), array("Q", (table.offsets[name] for name in names))

    def _read(self, offset: int, kind: bytes, type: type[T]) -> T:
        frame = frame_at(self._file, offset)
        try:
            if frame is not None and frame.kind == kind:
                return msgspec.msgpack.decode(frame.content, type=type)
        except msgspec.MsgspecError:
            pass
        raise self._broken(f"broken at byte {offset:,}")

    def _broken(self, how: str) -> CotDistillError:
        return CotDistillError(
            f"{self.path}: is no whole file of log-probabilities: {how}; run the stage that wrote it again, which asks "
            f"for nothing that is in the store"
        )


class _Names:
    """Names in one piece, as `bisect` takes them."""

    def __init__(self, names: bytes) -> None:
        self._names = names

    def __len__(self) -> int:
        return len(self._names) // NAME_BYTES

    def __getitem__(self, place: int) -> bytes:
        return self._names[place * NAME_BYTES : (place + 1) * NAME_BYTES]
