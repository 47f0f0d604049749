"""The embedded teacher's Message Batches: all requests in one body, one file of results at `results_url`."""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from cotdistill.mock.batches import DAY_S, DESK, Batch, Line, Outcome, cancelled, jsonl, looked_at, page, reply
from cotdistill.mock.teacher import TEACHER
from cotdistill.mock.wire_anthropic import error
from cotdistill.mock.wire_common import fresh_id

MOST_REQUESTS = 100_000
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_post("/v1/messages/batches", _checked(_create))
    router.add_get("/v1/messages/batches", _checked(_list))
    router.add_get("/v1/messages/batches/{id}", _checked(_retrieve))
    router.add_get("/v1/messages/batches/{id}/results", _checked(_results))
    router.add_post("/v1/messages/batches/{id}/cancel", _checked(_cancel))


def _checked(handler: Any) -> Any:
    """Needs a key that is accepted; answers in this wire format what is not found or not understood."""

    async def handle(request: web.Request) -> web.StreamResponse:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not request.app[TEACHER].accepts(bearer or request.headers.get("x-api-key")):
            return error(401, "authentication_error", "invalid x-api-key")
        try:
            response: web.StreamResponse = await handler(request)
        except KeyError as missing:
            return error(404, "not_found_error", f"Not found: {missing}")
        except (ValueError, TypeError, AttributeError) as problem:
            return error(400, "invalid_request_error", str(problem))
        return response

    return handle


async def _create(request: web.Request) -> web.Response:
    lines = _read(await request.read())
    batch = Batch(fresh_id("msgbatch_"), "/v1/messages", lines, {"anthropic": True})
    request.app[DESK].submit(batch, request)
    return reply(_described(batch, request))


async def _retrieve(request: web.Request) -> web.Response:
    return reply(_described(looked_at(request), request))


async def _cancel(request: web.Request) -> web.Response:
    return reply(_described(cancelled(request), request))


async def _list(request: web.Request) -> web.Response:
    mine = [batch for batch in request.app[DESK].batches.values() if "anthropic" in batch.fields]
    found, more = page(mine, request.query.get("after_id"), int(request.query.get("limit", 20)))
    ids = {"first_id": found[0].id if found else None, "last_id": found[-1].id if found else None}
    return reply({"data": [_described(batch, request) for batch in found], "has_more": more, **ids})


async def _results(request: web.Request) -> web.Response:
    batch = request.app[DESK].batches[request.match_info["id"]]
    if batch.ended_at is None:
        return error(404, "not_found_error", "The batch has no results yet.")
    entries = [{"custom_id": id, "result": _result(outcome)} for id, outcome in batch.results()]
    return web.Response(body=jsonl(entries), content_type="application/x-jsonl")


def _read(content: bytes) -> list[Line]:
    """Only the frame is checked when a batch is created; what is wrong with a request shows in its result."""
    asked = msgspec.json.decode(content)["requests"]
    lines = [Line(one["custom_id"], one["params"]) for one in asked]
    if not lines or len(lines) > MOST_REQUESTS:
        raise ValueError(f"requests: expected 1 to {MOST_REQUESTS}")
    wrong = [line.custom_id for line in lines if not _CUSTOM_ID.fullmatch(line.custom_id)]
    if wrong:
        raise ValueError(f"requests: custom_id {wrong[0][:80]!r}: String should have at most 64 safe characters")
    if len({line.custom_id for line in lines}) < len(lines):
        raise ValueError("requests: each custom_id must be unique")
    return lines


def _described(batch: Batch, request: web.Request) -> dict[str, Any]:
    ended = batch.ended_at
    succeeded = batch.count("answered", good=True)
    counts = {
        "succeeded": succeeded,
        "errored": batch.count("answered") - succeeded,
        "canceled": batch.count("canceled"),
        "expired": batch.count("expired"),
    }
    if ended is None:  # as documented: all count as processing until the whole batch has ended
        counts = dict.fromkeys(counts, 0)
    status = "in_progress" if batch.canceled_at is None else "canceling"
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": status if ended is None else "ended",
        "request_counts": {"processing": len(batch.lines) - sum(counts.values()), **counts},
        "created_at": _time(batch.created_at),
        "expires_at": _time(batch.created_at + DAY_S),
        "ended_at": None if ended is None else _time(ended),
        "cancel_initiated_at": None if batch.canceled_at is None else _time(batch.canceled_at),
        "archived_at": None,
        "results_url": None if ended is None else f"{request.url.origin()}/v1/messages/batches/{batch.id}/results",
    }


def _result(outcome: Outcome) -> dict[str, Any]:
    if outcome.kind != "answered":
        return {"type": outcome.kind}
    body = msgspec.json.decode(outcome.body)
    if outcome.status != 200:
        return {"type": "errored", "error": body}
    body["usage"]["service_tier"] = "batch"
    return {"type": "succeeded", "message": body}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
