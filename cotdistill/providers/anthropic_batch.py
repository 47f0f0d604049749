"""Anthropic Message Batches: all requests go up in one body, one file of results comes down.

https://platform.claude.com/docs/en/build-with-claude/batch-processing

A batch has no name of ours, and its contents cannot be read before it ends. So an unconfirmed creation is found by
three marks: it is newer than the newest batch we saw before, it holds as many requests, and, once it has ended,
its custom_ids begin with the shard's name.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from cotdistill.providers.batch_api import (
    DAY_S,
    BatchLimits,
    BatchStatus,
    FileFraming,
    FoundBatch,
    Intent,
    Result,
    answered,
    parsed,
    unreadable,
)
from cotdistill.providers.error_body import problem_in
from cotdistill.providers.errors import clean, failure_of
from cotdistill.providers.sdk_batches import SdkBatches
from cotdistill.providers.types import Failure

CHUNK = 2**20

LIMITS = BatchLimits(90_000, 230_000_000)
"""Nine tenths of what the provider allows: 100,000 requests, 256 MB."""

FRAMING = FileFraming(b'{"requests":[', b",", b"]}")


@dataclass
class AnthropicBatches(SdkBatches):
    limits: BatchLimits = LIMITS
    framing: FileFraming = FRAMING

    sdk: ClassVar[str] = "anthropic"
    key: ClassVar[str] = "ANTHROPIC_API_KEY"

    def line(self, custom_id: str, body: dict[str, Any]) -> bytes:
        params = {name: value for name, value in body.items() if name != "stream"}
        return msgspec.json.encode({"custom_id": custom_id, "params": params})

    async def newest(self) -> str | None:
        page = await self._client.messages.batches.list(limit=1)
        return page.data[0].id if page.data else None

    async def upload(self, shard: str, file: Path) -> None:
        """Nothing: the requests travel with `create`."""

    async def create(self, shard: str, file: Path, uploaded: str | None) -> str:
        from anthropic.types.messages import MessageBatch

        # The low-level call, because `batches.create` wants every request in memory as objects.
        batch = await self._client.post(
            "/v1/messages/batches",
            content=_chunks(file),
            cast_to=MessageBatch,
            options={"headers": {"Content-Type": "application/json", "Content-Length": str(file.stat().st_size)}},
        )
        return str(batch.id)

    async def find(self, intent: Intent) -> FoundBatch | None:
        likely = None
        async for batch in self._client.messages.batches.list(limit=100):  # newest first
            if batch.id == intent.newest or batch.created_at.timestamp() < intent.begun_at - DAY_S:
                break
            if batch.id in intent.not_these or _requests(batch) != intent.requests:
                continue
            if batch.processing_status != "ended":
                likely = batch.id  # the oldest stays: ours was the first after `newest`, or nearly
            elif batch.archived_at is None and await self.holds(batch.id, intent.shard):
                return FoundBatch(batch.id, certain=True)
        return FoundBatch(likely, certain=False) if likely else None

    async def holds(self, batch: str, shard: str) -> bool:
        async with aclosing(self.items(batch)) as items:
            async for item in items:
                if item.custom_id:
                    return item.custom_id.startswith(shard)
        return False

    async def status(self, batch: str) -> BatchStatus:
        found = await self._client.messages.batches.retrieve(batch)
        return BatchStatus(
            ended=found.processing_status == "ended",
            done=_requests(found) - found.request_counts.processing,
            gone=found.archived_at is not None,
        )

    async def items(self, batch: str) -> AsyncGenerator[Result, None]:
        """From the server that was asked, whatever host `results_url` names: behind a gateway it is the provider's own,
        which must get neither the gateway's key nor, by a redirect, anything else."""
        async with aclosing(self.lines_of(f"/v1/messages/batches/{batch}/results")) as results:
            async for line, whole in results:
                found = parsed(line, _Line)
                yield unreadable(line, whole) if found is None else _result(found)


class _Outcome(msgspec.Struct):
    type: str
    message: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")


class _Line(msgspec.Struct):
    custom_id: str
    result: _Outcome


def _result(line: _Line) -> Result:
    result = line.result
    if result.type == "succeeded":
        return answered(line.custom_id, bytes(result.message))
    if result.type == "errored":
        return Result(line.custom_id, None, failure_of(None, problem_in(bytes(result.error))))
    if result.type == "canceled":  # a person who cancels a batch does not want it bought again by the same run
        return Result(line.custom_id, None, Failure("row", "the batch was canceled at the provider"))
    return Result(line.custom_id, None, Failure("retry", f"{clean(result.type)} before it was answered"))


def _requests(batch: Any) -> int:
    counts = batch.request_counts
    return int(counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired)


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as content:
        while chunk := content.read(CHUNK):
            yield chunk
