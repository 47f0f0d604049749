"""Batch APIs: half the price for answers within a day. What `dispatch.batch` needs of one, whoever provides it."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from cotdistill.providers.errors import clean
from cotdistill.providers.types import BadReplyError, Failure

CONNECTIONS = 4
"""A batch run asks little and one thing after the other."""

MAX_LINE = 64 * 2**20
"""Bytes of one result; a longer line is no answer of a model."""

_SPENT = ("insufficient_quota", "billing_hard_limit_reached", "spend_limit", "credit balance is too low")


class Limits(NamedTuple):
    """Of one batch: requests in it, bytes of its file."""

    requests: int
    bytes: int


class Frame(NamedTuple):
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


class Found(NamedTuple):
    """A batch at the provider that may be an intent's; `certain` once its contents have told."""

    batch: str
    certain: bool


@dataclass(frozen=True)
class Standing:
    """How a batch stands. `refused` says why nothing of it ran; `gone` that its results are no longer kept."""

    ended: bool
    done: int = 0
    refused: Failure | None = None
    queue_full: bool = False
    gone: bool = False


class Item(NamedTuple):
    """One line of the results: the answer in the provider's JSON, or why there is none."""

    custom_id: str
    raw: bytes | None
    failure: Failure | None


class Batches(Protocol):
    """Every method raises the SDK's own errors, or BadReplyError; the teacher's `classify` knows both."""

    limits: Limits
    frame: Frame

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def line(self, custom_id: str, body: dict[str, Any]) -> bytes:
        """One request as it stands in the file."""

    async def newest(self) -> str | None:
        """The newest batch of the account, where `find` needs it."""

    async def upload(self, shard: str, file: Path) -> str | None:
        """What has to be at the provider before `create`: free, and of no effect."""

    async def create(self, shard: str, file: Path, uploaded: str | None) -> str:
        """Submit; gives the provider's id. From here on it costs money."""

    async def find(self, intent: Intent) -> Found | None:
        """The batch that came of an intent, if any did."""

    async def holds(self, batch: str, shard: str) -> bool:
        """Whether the results of an ended batch are the shard's."""

    async def standing(self, batch: str) -> Standing: ...

    def items(self, batch: str) -> AsyncGenerator[Item, None]:
        """The results of an ended batch, in any order."""


def failure_of(status: int, code: str, message: str) -> Failure:
    """What an error inside a batch means; `status` is what the same error has online."""
    text = clean(f"{status}: {' '.join(filter(None, (code, message)))}")
    if any(word in text for word in _SPENT):
        return Failure("account", f"credit or quota is spent: {text}")
    if status in (401, 402, 403):
        return Failure("account", f"the provider refuses the key: {text}")
    return Failure("retry" if status in (408, 409, 429) or status >= 500 else "row", text)


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


def unreadable(line: bytes, whole: bool) -> Item:
    """A line that is no result: nobody's item. Raises BadReplyError where the download was cut."""
    if not whole:
        raise BadReplyError(f"the download of the results was cut: {clean(line[-80:].decode('utf-8', 'replace'))}")
    return Item("", None, Failure("row", clean(line[:80].decode("utf-8", "replace"))))
