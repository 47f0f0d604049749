"""Both Batch APIs of the embedded teacher: what they share. A request of a batch is answered as an online one, under
its custom_id as idempotency key: so the sample a client asks for is the one it gets. Rate limits and faults do not
meet it."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from aiohttp import web

from cotdistill.mock.apis import WIRES
from cotdistill.mock.teacher import TEACHER, Teacher
from cotdistill.mock.wire_common import fresh_id

DAY_S = 86_400


@dataclass
class BatchSettings:
    """When a batch is worked on: after so many looks at it, and so many seconds. And what goes wrong: so many
    requests expire or meet an overload, the first ones the server gets."""

    polls: int = 1
    seconds: float = 0.0
    expired: int = 0
    overloaded: int = 0
    queue_requests: int | None = None
    """A batch of more requests fails: the organisation's queue is full (OpenAI)."""
    invalid_line: int | None = None
    """This line of every file fails its validation (OpenAI)."""


@dataclass(frozen=True)
class Line:
    custom_id: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """`kind` is `answered` for every request that was sent on, with the status it met there."""

    kind: Literal["answered", "expired", "canceled"]
    status: int = 0
    body: bytes = b""


@dataclass
class Batch:
    id: str
    path: str
    lines: list[Line]
    fields: dict[str, Any]
    created_at: float = field(default_factory=time.time)
    ended_at: float | None = None
    canceled_at: float | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    """Why the whole batch was refused."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    polls: int = 0
    due: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def count(self, kind: str, *, good: bool | None = None) -> int:
        """Outcomes of a kind; with `good`, those that were answered with 200, or not."""
        found = [outcome for outcome in self.outcomes.values() if outcome.kind == kind]
        return len(found) if good is None else sum((outcome.status == 200) == good for outcome in found)

    def results(self) -> list[tuple[str, Outcome]]:
        """In no order a client may rely on."""
        found = list(self.outcomes.items())
        random.Random(self.id).shuffle(found)
        return found


@dataclass
class BatchDesk:
    """Every file and batch of this server, in the order they came."""

    settings: BatchSettings = field(default_factory=BatchSettings)
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)

    def submit(self, batch: Batch, request: web.Request) -> None:
        """Take a batch in and begin to work on it; one with errors has ended already."""
        self.batches[batch.id] = batch
        request.app[TEACHER].ledger["batches"] += 1
        if batch.errors:
            batch.ended_at = time.time()
            return
        self.looked_at(batch, polls=0)
        batch.task = asyncio.create_task(self._work_on(batch, request))

    def looked_at(self, batch: Batch, polls: int = 1) -> None:
        batch.polls += polls
        if batch.polls >= self.settings.polls:
            batch.due.set()

    def cancel(self, batch: Batch) -> None:
        if batch.ended_at is None:
            batch.canceled_at = time.time()
            batch.due.set()

    async def close(self, app: web.Application) -> None:
        for batch in self.batches.values():
            if batch.task:
                batch.task.cancel()

    async def _work_on(self, batch: Batch, request: web.Request) -> None:
        ledger = request.app[TEACHER].ledger
        await batch.due.wait()
        if self.settings.seconds and batch.canceled_at is None:
            await asyncio.sleep(self.settings.seconds)
        kept = ("Authorization", "x-api-key", "anthropic-version")
        headers = {name: request.headers[name] for name in kept if name in request.headers}
        for line in batch.lines:
            outcome = self._answer(request.app[TEACHER], batch, line, headers)
            batch.outcomes[line.custom_id] = outcome
            ledger["batch_answers"] += outcome.kind == "answered" and outcome.status == 200
            await asyncio.sleep(0)  # others are served meanwhile, and may cancel
        batch.ended_at = time.time()

    def _answer(self, teacher: Teacher, batch: Batch, line: Line, headers: dict[str, str]) -> Outcome:
        if batch.canceled_at is not None:
            return Outcome("canceled")
        if self.settings.expired:
            self.settings.expired -= 1
            return Outcome("expired")
        if self.settings.overloaded:
            self.settings.overloaded -= 1
            return Outcome("answered", 529, _overload(batch.path))
        headers = {**headers, "Idempotency-Key": line.custom_id}
        reply = teacher.answer(WIRES[batch.path], msgspec.json.encode(line.body), headers)
        return Outcome("answered", reply.status, msgspec.json.encode(reply.content))


def _overload(path: str) -> bytes:
    error: dict[str, Any] = {"type": "overloaded_error", "message": "Overloaded"}
    if path == "/v1/messages":
        return msgspec.json.encode({"type": "error", "error": error, "request_id": fresh_id("req_")})
    return msgspec.json.encode({"error": {**error, "code": "overloaded", "param": None}})


DESK = web.AppKey("desk", BatchDesk)


def looked_at(request: web.Request) -> Batch:
    """The batch that a request asks about, one look nearer to its end. Raises KeyError for one there is not."""
    desk = request.app[DESK]
    batch = desk.batches[request.match_info["id"]]
    desk.looked_at(batch)
    return batch


def cancelled(request: web.Request) -> Batch:
    """The batch that a request asks about; it stops. Raises KeyError for one there is not."""
    desk = request.app[DESK]
    batch = desk.batches[request.match_info["id"]]
    desk.cancel(batch)
    return batch


def page(batches: list[Batch], after: str | None, limit: int) -> tuple[list[Batch], bool]:
    """Newest first, from behind the cursor on; and whether there are more."""
    newest = batches[::-1]
    if after:
        newest = newest[[batch.id for batch in newest].index(after) + 1 :]
    return newest[:limit], len(newest) > limit


def jsonl(entries: list[dict[str, Any]]) -> bytes:
    return b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)


def reply(content: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(content), content_type="application/json")
