"""A file of responses, cut between prompts: in order by one process, or into ranges of bytes by many.

A range holds the prompts that begin in it, the last of which may end beyond it. So adjacent ranges hold every prompt
once, and no process has to read the file before the others begin.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from cotdistill.artifacts.opening import open_input
from cotdistill.artifacts.together import OfResponse

RESPONSES_A_CHUNK = 256
"""Responses of a chunk: enough to make the hand-over to a process cheap, few enough to hold."""

RANGE_BYTES = 16_000_000
"""Bytes of one task: some 10,000 responses, or a few seconds of verifying."""

_BACK_BYTES = 65_536
"""Bytes that are read at once when looking back for the beginning of a line."""


class Chunk(NamedTuple):
    """Whole prompts of a file: `size` bytes from `start`."""

    path: Path
    start: int
    size: int


class Range(NamedTuple):
    """The prompts that begin in the bytes from `start` up to `end`."""

    path: Path
    start: int
    end: int


_DECODER = msgspec.json.Decoder(OfResponse)


def ranges(path: Path, size: int = RANGE_BYTES) -> list[Range]:
    """Ranges that cover the file, without reading it."""
    length = path.stat().st_size
    return [Range(path, start, min(start + size, length)) for start in range(0, length, size)]


def chunks(path: Path, responses: int = RESPONSES_A_CHUNK, within: Range | None = None) -> Iterator[Chunk]:
    """The chunks of a file, or of the range `within` it: `responses` lines each, and as many more as their last prompt
    has. A line that cannot be read stays with the lines before it."""
    with open_input(path) as file:
        start, current = (0, None) if within is None or not within.start else _first_prompt(file, within.start)
        end = None if within is None else within.end
        size = count = 0
        for line in file:
            found = _prompt(line, current)
            changes = found != current
            if end is not None and start + size >= end and (changes or not count):
                break
            if count >= responses and changes:
                yield Chunk(path, start, size)
                start, size, count = start + size, 0, 0
            current = found
            size += len(line)
            count += 1
        if size:
            yield Chunk(path, start, size)


def _prompt(line: bytes, otherwise: str | None) -> str | None:
    """The id of a line's prompt; for a line that cannot be read, the id of the lines before it."""
    try:
        return _DECODER.decode(line).prompt.id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return otherwise


def _first_prompt(file: BinaryIO, at: int) -> tuple[int, str | None]:
    """Where the first prompt begins that begins at `at` or later, and the id of the one before it. The file is left
    there."""
    place, current = _readable_line_before(file, at)
    file.seek(place)
    for line in file:
        found = _prompt(line, current)
        if place >= at and found != current:
            break
        current = found
        place += len(line)
    file.seek(place)
    return place, current


def _readable_line_before(file: BinaryIO, at: int) -> tuple[int, str | None]:
    """The start and the prompt of the last line that begins before `at` and can be read; else the file's start."""
    end = at
    while end > 0:
        start = _line_start(file, end - 1)
        file.seek(start)
        if (found := _prompt(file.readline(), None)) is not None:
            return start, found
        end = start
    return 0, None


def _line_start(file: BinaryIO, at: int) -> int:
    """The start of the line that holds the byte `at`."""
    end = at
    while end > 0:
        begin = max(0, end - _BACK_BYTES)
        file.seek(begin)
        if (found := file.read(end - begin).rfind(b"\n")) >= 0:
            return begin + found + 1
        end = begin
    return 0
