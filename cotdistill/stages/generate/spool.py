"""Prompts of a run in their order, kept for the walks after the first: to read a person's file again would cost ten
times as much. In memory while they are few, else in a file without a name that goes with the process."""

import tempfile
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from cotdistill.errors import CotDistillError
from cotdistill.records import Message, Prompt

IN_MEMORY = 32 * 2**20

TOGETHER = 256
"""Prompts in one piece of the file."""


class Question(msgspec.Struct, frozen=True, array_like=True):
    """One prompt, what is sent for it where that is more, and the keys that come of it."""

    prompt: Prompt
    messages: tuple[Message, ...] | None
    key: str
    family: str
    missing: tuple[int, ...]
    """Samples that the store did not have."""


class _Piece(NamedTuple):
    at: int
    length: int


class Spool:
    """Filled once, then walked, by several at a time if need be."""

    def __init__(self) -> None:
        self._file: tempfile.SpooledTemporaryFile[bytes] | None = None
        self._pieces: list[_Piece] = []
        self._last: list[Question] = []
        self._decoder = msgspec.msgpack.Decoder(list[Question])

    def add(self, question: Question) -> None:
        self._last.append(question)
        if len(self._last) == TOGETHER:
            self._put_away()

    def since(self, number: int) -> Iterator[Question]:
        """The questions without the first `number` of them."""
        piece, first = divmod(number, TOGETHER)
        for at, length in self._pieces[piece:]:
            assert self._file is not None
            self._file.seek(at)
            yield from self._decoder.decode(self._file.read(length))[first:]
            first = 0
        yield from self._last[first:]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _put_away(self) -> None:
        content = msgspec.msgpack.encode(self._last)
        at = sum(self._pieces[-1]) if self._pieces else 0
        try:
            if self._file is None:
                self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
            self._file.seek(at)
            self._file.write(content)
        except OSError as error:
            raise CotDistillError(
                f"{tempfile.gettempdir()}: cannot keep the prompts there while they are asked: "
                f"{error.strerror or error}. Make room, or name another directory in TMPDIR"
            ) from None
        self._pieces.append(_Piece(at, len(content)))
        self._last = []
