"""Writing log-probabilities: a file that appears whole, or one that is kept while work goes on."""

import os
import struct
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

import msgspec

from cotdistill.artifacts.files import FileInfo, PartialFile
from cotdistill.artifacts.frames import Frame, FrameWriter, scan
from cotdistill.artifacts.logprobs.columns import (
    MAGIC,
    MARK,
    NEVER,
    NO_TOKEN,
    TAIL,
    Index,
    Logprobs,
    Position,
    Token,
    check_magic,
    halves,
    name_of,
    name_of_row,
)
from cotdistill.errors import CotDistillError

if TYPE_CHECKING:
    from cotdistill.artifacts.logprobs.reader import LogprobsReader


class Table:
    """What a file says so far: its tokens, and where its answers begin."""

    def __init__(self, frames: FrameWriter) -> None:
        self.frames = frames
        self.places: dict[Token, int] = {}
        self.offsets: dict[bytes, int] = {}
        self._tables = array("Q")
        self.records = 0

    def has(self, request_key: str, sample: int) -> bool:
        return name_of(request_key, sample) in self.offsets

    def add(self, request_key: str, sample: int, positions: Sequence[Position], reasoning: int = 0) -> None:
        """An answer's tokens in their order; one that is there already stays as it is: the same question under two ids
        is one request, so its answer stands here once. The first `reasoning` of them are the trace."""
        k = max((len(one.top) for one in positions), default=0)
        tops = [pair for one in positions for pair in (*one.top, *((None, NEVER),) * (k - len(one.top)))]
        written, top = [one.token for one in positions], [token for token, _ in tops]
        answer = Logprobs(
            request_key=request_key,
            sample=sample,
            k=k,
            reasoning=reasoning,
            tokens=b"",
            logprobs=halves([one.logprob for one in positions]),
            top=b"",
            top_logprobs=halves([logprob for _, logprob in tops]),
        )
        self._put(answer, written, top)

    def take_up(self, frame: Frame) -> None:
        """A frame that stands in the file already."""
        if frame.kind == b"T":
            self._tables.append(frame.at)
            for token in msgspec.msgpack.decode(frame.content, type=list[Token]):
                self.places[token] = len(self.places)
        else:
            one = msgspec.msgpack.decode(frame.content, type=Logprobs)
            self.offsets[name_of(one.request_key, one.sample)] = frame.at
            self.records += 1

    def _put(self, answer: Logprobs, written: Sequence[Token | None], top: Sequence[Token | None]) -> None:
        """An answer whose columns `tokens` and `top` are made here: places in this file's table."""
        if self.has(answer.request_key, answer.sample):
            return
        new = list(dict.fromkeys(one for one in (*written, *top) if one is not None and one not in self.places))
        if new:
            self._tables.append(self.frames.put(b"T", new))
            self.places |= {token: len(self.places) + n for n, token in enumerate(new)}
        one = msgspec.structs.replace(answer, tokens=self._packed(written), top=self._packed(top))
        self.offsets[name_of(one.request_key, one.sample)] = self.frames.put(b"A", one)
        self.records += 1

    def _packed(self, tokens: Sequence[Token | None]) -> bytes:
        places = (NO_TOKEN if one is None else self.places[one] for one in tokens)
        return struct.pack(f"<{len(tokens)}I", *places)


class LogprobsWriter(Table):
    """A file that appears whole, like every artifact. Takes about 130 bytes of memory an answer, and the vocabulary."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = PartialFile(path)
        super().__init__(FrameWriter(self._file.write))
        self.frames.raw(MAGIC)

    def copy(self, one: Logprobs, reader: "LogprobsReader", row: str | None = None) -> None:
        """An answer of another file, unless it stands here already. `row` is the id of a training row made of it, by
        which it can be asked for too."""
        self._put(one, reader.named(one.tokens), reader.named(one.top))
        if row is not None:
            self.offsets[name_of_row(row)] = self.offsets[name_of(one.request_key, one.sample)]

    def finish(self) -> FileInfo:
        names = sorted(self.offsets)
        offsets = struct.pack(f"<{len(names)}Q", *(self.offsets[name] for name in names))
        tables = struct.pack(f"<{len(self._tables)}Q", *self._tables)
        end = self.frames.put(b"E", Index(b"".join(names), offsets, tables))
        self.frames.raw(TAIL.pack(end, MARK))
        return msgspec.structs.replace(self._file.finish(), records=self.records)

    def place(self) -> None:
        self._file.place()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.discard()


class Appender(Table):
    """Adds to a file without an end."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(FrameWriter(file.write))
        self._file = file

    def sync(self) -> None:
        """All that was added is on disk."""
        self._file.flush()
        os.fsync(self._file.fileno())


@contextmanager
def appending(path: Path) -> Iterator[Appender]:
    """Go on with a file that is kept while work goes on, or begin it. Raises CotDistillError for one that is whole, and
    for a file of another kind."""
    path.touch()
    with path.open("r+b") as file:
        added = Appender(file)
        if path.stat().st_size < len(MAGIC):
            file.truncate(0)
            added.frames.raw(MAGIC)
        else:
            check_magic(path, file)
            added.frames.at = len(MAGIC)
            for frame in scan(file, len(MAGIC)):
                if frame.kind == b"E":
                    raise CotDistillError(f"{path}: is whole; expected one that is still being written")
                added.take_up(frame)
                added.frames.at = file.tell()
            file.seek(added.frames.at)
            file.truncate()
        yield added
        added.sync()
