"""Batch APIs: half the price for answers within a day. What the generate stage needs of one, for any
provider."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import msgspec

from cotdistill.masking import masked_bytes
from cotdistill.providers.errors import clean
from cotdistill.providers.lenient import mended
from cotdistill.providers.types import BadReplyError, Failure

CONNECTIONS = 4
"""A batch run asks little and one thing after the other."""

MAX_LINE = 64 * 2**20
"""Bytes of one result; a longer line is no answer of a model."""

DAY_S = 86_400.0
"""By then a batch has ended, whatever became of it."""


class BatchLimits(NamedTuple):
    """Of one batch: requests in it, bytes of its file."""

    requests: int
    bytes: int


class FileFraming(NamedTuple):
    """What stands before, between and after the requests in a batch's file."""

    before: bytes
    between: bytes
    after: bytes


@dataclass(frozen=True)
class Intent:
    """A batch whose creation was begun and never confirmed. `newest` was the provider's newest batch before."""

    shard: str
    requests: int
    begun_at: float
    newest: str | None
    not_these: frozenset[str] = field(default_factory=frozenset)


class FoundBatch(NamedTuple):
    """A batch at the provider that may be an intent's; `certain` once its contents were seen."""

    batch: str
    certain: bool


@dataclass(frozen=True)
class BatchStatus:
    """How a batch stands. `refused` says why nothing of it ran; `gone` that its results are no longer kept."""

    ended: bool
    done: int = 0
    refused: Failure | None = None
    queue_full: bool = False
    gone: bool = False


class Result(NamedTuple):
    """One line of the results: the answer in the provider's JSON, or why there is none."""

    custom_id: str
    raw: bytes | None
    failure: Failure | None


class Batches(Protocol):
    """Every method raises the SDK's own errors, or BadReplyError; the teacher's `classify` knows both."""

    limits: BatchLimits
    framing: FileFraming

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    def line(self, custom_id: str, body: dict[str, Any]) -> bytes:
        """One request as it stands in the file."""

    async def newest(self) -> str | None:
        """The newest batch of the account, where `find` needs it."""

    async def upload(self, shard: str, file: Path) -> str | None:
        """What has to be at the provider before `create`: free, and of no effect."""

    async def create(self, shard: str, file: Path, uploaded: str | None) -> str:
        """Submit; returns the provider's id. From here on it costs money."""

    async def find(self, intent: Intent) -> FoundBatch | None:
        """The batch that came of an intent, if any did."""

    async def holds(self, batch: str, shard: str) -> bool:
        """Whether the results of an ended batch are the shard's."""

    async def status(self, batch: str) -> BatchStatus: ...

    def items(self, batch: str) -> AsyncGenerator[Result, None]:
        """The results of an ended batch, in any order."""


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[bytes, bool]]:
    """Lines and whether each is whole: the last one of a download that was cut is not.

    The SDKs' own line readers split at every Unicode line separator, which JSON allows inside a string.
    """
    rest = bytearray()
    async for chunk in chunks:
        *whole, tail = chunk.split(b"\n")
        for piece in whole:
            rest += piece
            if rest.strip():
                yield bytes(rest), True
            rest.clear()
        rest += tail
        if len(rest) > MAX_LINE:
            raise BadReplyError(f"the results hold a line of more than {MAX_LINE} bytes")
    if rest.strip():
        yield bytes(rest), False


T = TypeVar("T")


def parsed(line: bytes, kind: type[T]) -> T | None:
    """A line of the results, also one with bytes that are no UTF-8; None for what is no result."""
    try:
        return msgspec.json.decode(line, type=kind)
    except (ValueError, msgspec.DecodeError):
        pass
    try:
        return msgspec.json.decode(mended(line), type=kind)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return None


def answered(custom_id: str, raw: bytes) -> Result:
    """An answer as it enters: from here on without the key, should the server have echoed it."""
    return Result(custom_id, masked_bytes(raw), None)


def unreadable(line: bytes, whole: bool) -> Result:
    """A line that is no result: it belongs to no request. Raises BadReplyError where the download was cut."""
    text = line.decode("utf-8", "replace")
    if not whole:
        raise BadReplyError(f"the download of the results was cut: {clean(text)[-80:]}")
    return Result("", None, Failure("row", clean(text)[:80]))
