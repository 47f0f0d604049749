"""Frames of a binary file: pieces of it, each with its kind, its length and a checksum, compressed.

A frame that a crash has cut is known as such, so a file can be kept while work goes on, and taken up again.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

import msgspec

_HEAD = struct.Struct("<cII")
"""Kind, length, CRC-32 of what follows."""


class Frame(NamedTuple):
    """`at` is where it begins, in bytes; `content` is what was put in, in MessagePack."""

    at: int
    kind: bytes
    content: bytes


class FrameWriter:
    """Puts frames behind each other; `at` is where the next one begins."""

    def __init__(self, write: Callable[[bytes], object], at: int = 0) -> None:
        self._write, self.at = write, at

    def put(self, kind: bytes, content: object) -> int:
        """Where the frame begins."""
        at, packed = self.at, zlib.compress(msgspec.msgpack.encode(content))
        self.raw(_HEAD.pack(kind, len(packed), zlib.crc32(packed)) + packed)
        return at

    def raw(self, data: bytes) -> None:
        self._write(data)
        self.at += len(data)


def frame_at(file: BinaryIO, at: int) -> Frame | None:
    """The frame that begins there; None where none does that is whole."""
    try:
        file.seek(at)
        head = file.read(_HEAD.size)
        kind, length, checksum = _HEAD.unpack(head)
        packed = file.read(length)
        if len(packed) < length or zlib.crc32(packed) != checksum:
            return None
        return Frame(at, kind, zlib.decompress(packed))
    except (struct.error, zlib.error, OverflowError, ValueError):  # the end of the file; a place that no file has
        return None


def scan(file: BinaryIO, at: int) -> Iterator[Frame]:
    """Each frame from there on, up to the end of the file or the first that is not whole."""
    while frame := frame_at(file, at):
        at = file.tell()
        yield frame
