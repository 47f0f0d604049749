"""What stands in a file of log-probabilities: an answer's columns, the table of tokens, the index of names."""

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from cotdistill.errors import CotDistillError

NO_TOKEN = 0xFFFF_FFFF
"""The place of a token that the server did not name, and of an alternative that it did not give."""

NEVER = float("-inf")

MAGIC = b"cotdistill logprobs 1\n"
TAIL = struct.Struct("<Q8s")
"""The end of a whole file: where its E frame begins, and a mark."""
MARK = b"logprobs"
NAME_BYTES = 16
_LOWEST = -60_000.0
"""About the lowest number that 16 bits hold; OpenAI's -9999 for an unlisted token is above it."""


class Token(NamedTuple):
    """A token of the teacher's vocabulary: its id where the server names ids, else its bytes."""

    id: int | None = None
    raw: bytes | None = None


class Position(NamedTuple):
    """One token in a server's answer; among the alternatives `top` the token itself is usual."""

    token: Token | None
    logprob: float
    top: tuple[tuple[Token | None, float], ...] = ()


class Logprobs(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One answer of n tokens with k alternatives each, in columns as they stand on disk.

    `numpy.frombuffer(one.tokens, "<u4")` and `numpy.frombuffer(one.logprobs, "<f2")` have the shape (n,);
    `frombuffer(one.top, "<u4").reshape(-1, one.k)` and `frombuffer(one.top_logprobs, "<f2").reshape(-1, one.k)` have
    (n, k). Tokens are places in the file's table (`LogprobsReader.tokens`) or NO_TOKEN; an alternative that was not
    given is NO_TOKEN with -inf. Logarithms are natural. The first `reasoning` tokens are the trace, where the server
    gave it apart; 0 where all tokens came in one line, with the marks of the trace among them."""

    request_key: str
    sample: int
    k: int
    reasoning: int
    tokens: bytes
    logprobs: bytes
    top: bytes
    top_logprobs: bytes

    def __len__(self) -> int:
        return len(self.tokens) // 4


class Index(msgspec.Struct, array_like=True):
    """Names, each of `NAME_BYTES`, sorted; the offset of each one's frame, and those of the T frames, each 8 bytes."""

    names: bytes
    offsets: bytes
    tables: bytes


def logprobs_path(artifact: Path) -> Path:
    """responses.jsonl -> responses.logprobs."""
    return artifact.with_suffix(".logprobs")


def check_magic(path: Path, file: BinaryIO) -> None:
    if file.read(len(MAGIC)) != MAGIC:
        raise CotDistillError(
            f"{path}: expected the log-probabilities that `generate --logprobs` writes, found something else"
        )


def name_of(request_key: str, sample: int) -> bytes:
    return _digest(f"request {sample} {request_key}")


def name_of_row(row: str) -> bytes:
    return _digest(f"row {row}")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:NAME_BYTES]


def halves(numbers: Sequence[float]) -> bytes:
    """As 16 bits each: a logarithm above 0 is one that was rounded, what is no number is taken for -inf."""
    return struct.pack(f"<{len(numbers)}e", *(max(min(one, 0.0), _LOWEST) if one > NEVER else NEVER for one in numbers))


def offsets(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 8}Q", data)


def places(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 4}I", data)


def logarithms(data: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(data) // 2}e", data)
