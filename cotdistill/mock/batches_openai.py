"""The embedded teacher's OpenAI Batch API: files up, a batch of them, files of results and errors down."""

from typing import Any

import msgspec
from aiohttp import web

from cotdistill.mock.batches import DAY_S, DESK, Batch, Line, Outcome, cancelled, jsonl, looked_at, page, reply
from cotdistill.mock.teacher import TEACHER
from cotdistill.mock.wire_common import fresh_id
from cotdistill.mock.wire_openai import error

ENDPOINTS = ("/v1/chat/completions", "/v1/responses")
MOST_REQUESTS = 50_000


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_post("/v1/files", _checked(_upload))
    router.add_get("/v1/files/{id}/content", _checked(_content))
    router.add_post("/v1/batches", _checked(_create))
    router.add_get("/v1/batches", _checked(_list))
    router.add_get("/v1/batches/{id}", _checked(_retrieve))
    router.add_post("/v1/batches/{id}/cancel", _checked(_cancel))


def _checked(handler: Any) -> Any:
    """Needs a key that is accepted; answers in this wire format what is not found or not understood."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if not request.app[TEACHER].accepts(request.headers.get("Authorization", "").removeprefix("Bearer ")):
            return error(401, "invalid_api_key", "Incorrect API key provided.")
        try:
            response: web.StreamResponse = await handler(request)
        except KeyError as missing:
            return error(404, "not_found", f"No such object: {missing}")
        except (ValueError, TypeError, AttributeError) as problem:
            return error(400, "invalid_request_error", str(problem))
        return response

    return handle


async def _upload(request: web.Request) -> web.Response:
    form = await request.post()
    file = form["file"]
    if not isinstance(file, web.FileField) or form["purpose"] != "batch":
        raise ValueError("a file with purpose=batch is required")
    name, content = fresh_id("file-"), file.file.read()
    request.app[DESK].files[name] = content
    described = {"id": name, "object": "file", "bytes": len(content), "created_at": 0, "filename": file.filename}
    return reply({**described, "purpose": "batch", "status": "processed"})


async def _content(request: web.Request) -> web.Response:
    return web.Response(body=request.app[DESK].files[request.match_info["id"]])


async def _create(request: web.Request) -> web.Response:
    desk, asked = request.app[DESK], msgspec.json.decode(await request.read())
    content, path = desk.files[asked["input_file_id"]], asked["endpoint"]
    if path not in ENDPOINTS or asked["completion_window"] != "24h":
        raise ValueError("endpoint or completion_window: not supported")
    lines, errors = _read(content, path)
    if desk.settings.invalid_line is not None:
        errors.append(_problem("invalid_json_line", desk.settings.invalid_line, "This line is not valid."))
    if desk.settings.queue_requests is not None and len(lines) > desk.settings.queue_requests:
        errors = [_problem("token_limit_exceeded", None, "Enqueued token limit reached. Please try again later.")]
    fields = {name: asked.get(name) for name in ("endpoint", "input_file_id", "completion_window", "metadata")}
    batch = Batch(fresh_id("batch_"), path, lines, fields, errors=errors)
    desk.submit(batch, request)
    return reply(_described(batch, request))


async def _retrieve(request: web.Request) -> web.Response:
    return reply(_described(looked_at(request), request))


async def _cancel(request: web.Request) -> web.Response:
    return reply(_described(cancelled(request), request))


async def _list(request: web.Request) -> web.Response:
    mine = [batch for batch in request.app[DESK].batches.values() if "endpoint" in batch.fields]
    found, more = page(mine, request.query.get("after"), int(request.query.get("limit", 20)))
    ids = {"first_id": found[0].id, "last_id": found[-1].id} if found else {}
    return reply({"object": "list", "data": [_described(batch, request) for batch in found], "has_more": more, **ids})


def _read(content: bytes, path: str) -> tuple[list[Line], list[dict[str, Any]]]:
    """The requests in a file, and what is wrong with it: found only after the batch was created, as at OpenAI."""
    lines: dict[str, Line] = {}
    errors = []
    for number, text in enumerate(content.rstrip(b"\n").split(b"\n"), start=1):
        try:
            asked = msgspec.json.decode(text)
            line = Line(asked["custom_id"], asked["body"])
        except (msgspec.DecodeError, KeyError, TypeError):
            errors.append(_problem("invalid_json_line", number, "This line is not parseable as valid JSON."))
            continue
        if asked.get("url") != path:
            errors.append(_problem("url_mismatch", number, "The URL of this line does not match the batch's."))
        if line.custom_id in lines:
            errors.append(_problem("duplicate_custom_id", number, "The custom_id of this line was used before."))
        lines[line.custom_id] = line
    if len(lines) > MOST_REQUESTS:
        errors.append(_problem("too_many_tasks", None, f"The file holds more than {MOST_REQUESTS} requests."))
    return list(lines.values()), errors


def _problem(code: str, line: int | None, message: str) -> dict[str, Any]:
    return {"code": code, "line": line, "message": message, "param": None}


def _described(batch: Batch, request: web.Request) -> dict[str, Any]:
    created, ended = int(batch.created_at), batch.ended_at
    status = "in_progress" if batch.canceled_at is None else "cancelling"
    files: dict[str, str | None] = {}
    if ended is not None:
        status = "failed" if batch.errors else "expired" if batch.count("expired") else "completed"
        status = status if batch.canceled_at is None else "cancelled"
        files = _files(batch, request.app[DESK].files)
    good = batch.count("answered", good=True)
    return {
        "id": batch.id,
        "object": "batch",
        **batch.fields,
        **files,
        "status": status,
        "created_at": created,
        "expires_at": created + DAY_S,
        f"{status}_at": int(ended or created),
        "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
        "request_counts": {
            "total": 0 if batch.errors else len(batch.lines),
            "completed": good,
            "failed": len(batch.outcomes) - good,
        },
    }


def _files(batch: Batch, files: dict[str, bytes]) -> dict[str, str | None]:
    """Answers in one file, everything else in the other; a file that would be empty is not made."""
    found = {"output_file_id": True, "error_file_id": False}
    names: dict[str, str | None] = {}
    for field, good in found.items():
        name = f"file-{'output' if good else 'error'}-{batch.id}"
        entries = [_entry(id, outcome) for id, outcome in batch.results() if (outcome.status == 200) == good]
        names[field] = name if entries else None
        if entries:
            files.setdefault(name, jsonl(entries))
    return names


def _entry(custom_id: str, outcome: Outcome) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": fresh_id("batch_req_"), "custom_id": custom_id, "response": None, "error": None}
    if outcome.kind == "answered":
        body = msgspec.Raw(outcome.body)
        entry["response"] = {"status_code": outcome.status, "request_id": fresh_id("req_"), "body": body}
    elif outcome.kind == "expired":
        message = "This request could not be executed before the completion window expired."
        entry["error"] = {"code": "batch_expired", "message": message}
    else:
        entry["error"] = {"code": "batch_cancelled", "message": "The batch was cancelled."}
    return entry
