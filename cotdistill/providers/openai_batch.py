"""The OpenAI Batch API: a file of requests goes up, a batch is made of it, files of results and errors come down.

https://platform.openai.com/docs/guides/batch
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
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
from cotdistill.providers.lenient import count
from cotdistill.providers.sdk_batches import SdkBatches
from cotdistill.providers.types import Failure

SHARD = "cotdistill_shard"
"""The metadata field that says whose batch it is."""

LIMITS = BatchLimits(45_000, 180_000_000)
"""Nine tenths of what the provider allows: 50,000 requests, 200 MB."""

FRAMING = FileFraming(b"", b"\n", b"\n")

ENDED = ("completed", "failed", "expired", "cancelled")
NOT_RUN = ("batch_cancelled",)
QUEUE_FULL = "token_limit_exceeded"
"""The organisation's queue of batch tokens is full; nothing is wrong with the file."""


@dataclass
class OpenAIBatches(SdkBatches):
    """`path` is the endpoint each request goes to."""

    path: str = ""
    limits: BatchLimits = LIMITS
    framing: FileFraming = FRAMING

    sdk: ClassVar[str] = "openai"
    key: ClassVar[str] = "OPENAI_API_KEY"

    def line(self, custom_id: str, body: dict[str, Any]) -> bytes:
        whole = {name: value for name, value in body.items() if not name.startswith("stream")}
        return msgspec.json.encode({"custom_id": custom_id, "method": "POST", "url": self.path, "body": whole})

    async def newest(self) -> None:
        """Not needed: the metadata names the shard."""

    async def upload(self, shard: str, file: Path) -> str | None:
        with file.open("rb") as content:
            uploaded = await self._client.files.create(file=(f"{shard}.jsonl", content), purpose="batch")
        return str(uploaded.id)

    async def create(self, shard: str, file: Path, uploaded: str | None) -> str:
        batch = await self._client.batches.create(
            input_file_id=uploaded, endpoint=self.path, completion_window="24h", metadata={SHARD: shard}
        )
        return str(batch.id)

    async def find(self, intent: Intent) -> FoundBatch | None:
        async for batch in self._client.batches.list(limit=100):
            if (batch.metadata or {}).get(SHARD) == intent.shard:
                return FoundBatch(batch.id, certain=True)
            if batch.created_at < intent.begun_at - DAY_S:  # newest first; a day for clocks that differ
                return None
        return None

    async def holds(self, batch: str, shard: str) -> bool:
        return True

    async def status(self, batch: str) -> BatchStatus:
        found = await self._client.batches.retrieve(batch)
        counts, errors = found.request_counts, (found.errors.data if found.errors else None) or []
        refused = _refusal(errors) if found.status == "failed" else None
        return BatchStatus(
            ended=found.status in ENDED,
            done=counts.completed + counts.failed if counts else 0,
            refused=refused,
            queue_full=any(error.code == QUEUE_FULL for error in errors),
        )

    async def items(self, batch: str) -> AsyncGenerator[Result, None]:
        found = await self._client.batches.retrieve(batch)
        for file in (found.output_file_id, found.error_file_id):
            if file is None:
                continue
            async with aclosing(self.lines_of(f"/files/{file}/content")) as results:
                async for line, whole in results:
                    found = parsed(line, _Line)
                    yield unreadable(line, whole) if found is None else _result(found)


class _Response(msgspec.Struct):
    status_code: Any = None
    body: msgspec.Raw = msgspec.Raw(b"null")


class _Line(msgspec.Struct):
    """Of no type but where it must be: a line that is not read belongs to no request, and would be bought again."""

    custom_id: str
    response: _Response | None = None
    error: Any = None


def _result(line: _Line) -> Result:
    if line.response is not None:
        status, body = count(line.response.status_code), bytes(line.response.body)
        if not status or 200 <= status < 300:  # what the body holds instead of an answer, the teacher reads
            return answered(line.custom_id, body)
        return Result(line.custom_id, None, failure_of(status, problem_in(body)))
    problem = problem_in(line.error or "no answer and no error")
    if any(code in NOT_RUN for code in problem.codes):  # who cancels a batch does not want it bought again at once
        return Result(line.custom_id, None, Failure("row", clean(" ".join([*problem.codes[:1], problem.message]))))
    return Result(line.custom_id, None, failure_of(None, problem))


def _refusal(errors: list[Any]) -> Failure:
    """Of a whole batch, by its first problems; it means what the first one means."""
    if not errors:
        return Failure("row", "the provider names no reason")
    parts = []
    for error in errors[:3]:
        line = f"line {error.line}: " if error.line is not None else ""
        parts.append(f"{line}{' '.join(filter(None, (error.code, error.message)))}")
    more = f" … and {len(errors) - 3} more" if len(errors) > 3 else ""
    meant = failure_of(400, problem_in({"code": errors[0].code, "message": errors[0].message}))
    return replace(meant, message=clean("; ".join(parts) + more))
