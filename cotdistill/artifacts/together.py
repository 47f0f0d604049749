"""The samples of one prompt, one after the other, also where a file has them apart: sorted by sample, joined, shuffled.

A stage that looks at a prompt's samples together would otherwise see many prompts of one sample each.
"""

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

import msgspec

from cotdistill.artifacts.files import PartialFile
from cotdistill.artifacts.json_lines import BadLines, decode_lines
from cotdistill.artifacts.opening import open_input
from cotdistill.wording import counted

T = TypeVar("T")

_AT_ONCE = 100_000
"""Prompts that are compared at once."""


class Id(msgspec.Struct):
    id: str


class OfResponse(msgspec.Struct):
    """The fields that are read of a response."""

    prompt: Id
    sample: int = 0

    def place(self) -> tuple[str, int]:
        return self.prompt.id, self.sample


class OfJudged(msgspec.Struct):
    """The fields that are read of a judged response."""

    response: OfResponse

    def place(self) -> tuple[str, int]:
        return self.response.place()


@dataclass(frozen=True)
class Together:
    """A file in which the samples of each prompt stand together. `path` is the source itself, or a file with its lines
    in another order; `apart` is how many prompts needed that."""

    source: Path
    path: Path
    apart: int = 0
    _numbers: "array[int] | None" = None

    def line(self, number: int) -> int:
        """The number in the source of a line of `path`, both from 1."""
        return number if self._numbers is None else self._numbers[number - 1]

    def records(self, kind: type[T], bad: BadLines) -> Iterator[T]:
        with open_input(self.path) as file:
            lines = decode_lines(file, kind, lambda n, line, problem: bad.add(self.source, self.line(n), line, problem))
            for _, record in lines:
                yield record

    def notes(self) -> list[str]:
        if not self.apart:
            return []
        prompts = counted(self.apart, "prompt")
        return [f"the samples of {prompts} stood apart in {self.source}; they were taken together"]


@contextmanager
def together(source: Path, kind: type[OfResponse] | type[OfJudged], work: Path) -> Iterator[Together]:
    """Yields the source itself if every prompt's samples stand together, which takes 8 bytes of memory a prompt to find
    out. Otherwise its lines are written to `work`, ordered by the prompt's first place in the file and then by sample,
    which takes about 150 bytes of memory a line; `work` is removed at the end. A line that cannot be read stays with
    the one before it."""
    apart = _apart(source, kind)
    if not apart:
        yield Together(source, source)
        return
    order = _order(source, kind)
    file = PartialFile(work)
    try:
        numbers = _write(source, order, file)
        file.finish()
        yield Together(source, file.partial, apart, numbers)
    finally:
        file.discard()


def working_path(output: Path) -> Path:
    """The path beside an output for `work`, which stands there under its partial name."""
    return output.with_name(f"{output.name}.together")


class _Line(NamedTuple):
    """One line of the source, numbered from 1. Lines sort by their prompt's rank, then by sample, then by number."""

    rank: int
    sample: int
    number: int
    offset: int
    size: int


def _places(source: Path, kind: type[OfResponse] | type[OfJudged]) -> Iterator[tuple[int, int, int]]:
    """Yields for each line the hash of its prompt's id, its sample and its length in bytes."""
    decoder: msgspec.json.Decoder[OfResponse | OfJudged] = msgspec.json.Decoder(kind)
    name, sample = 0, 0
    with open_input(source) as file:
        for line in file:
            try:
                id, sample = decoder.decode(line).place()
                name = hash(id)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass  # it stays with the line before it
            yield name, sample, len(line)


def _apart(source: Path, kind: type[OfResponse] | type[OfJudged]) -> int:
    """How many prompts appear again after another one."""
    starts = array("q")
    last: int | None = None
    for name, _, _ in _places(source, kind):
        if name != last:
            starts.append(name)
            last = name
    parts = 1 + len(starts) // _AT_ONCE
    repeated = 0
    for part in range(parts):
        seen: set[int] = set()
        twice: set[int] = set()
        for name in starts:
            if name % parts == part:
                (twice if name in seen else seen).add(name)
        repeated += len(twice)
    return repeated


def _order(source: Path, kind: type[OfResponse] | type[OfJudged]) -> list[_Line]:
    """The lines in their new order."""
    ranks: dict[int, int] = {}
    offset = 0
    lines = []
    for number, (name, sample, size) in enumerate(_places(source, kind), 1):
        lines.append(_Line(ranks.setdefault(name, len(ranks)), sample, number, offset, size))
        offset += size
    return sorted(lines)


def _write(source: Path, order: list[_Line], file: PartialFile) -> "array[int]":
    numbers = array("q")
    reader: BinaryIO
    with open_input(source) as reader:
        for place in order:
            reader.seek(place.offset)
            line = reader.read(place.size)
            file.write(line if line.endswith(b"\n") else line + b"\n")
            numbers.append(place.number)
    return numbers
