"""Anthropic Messages: the trace comes in a thinking block when thinking is on, else inside the text."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from cotdistill.mock.sources import Answer, question_of
from cotdistill.mock.teacher import TEACHER
from cotdistill.mock.wire import Cut, cap_of, fresh_id, read_body, tokens, within

WITHOUT_SAMPLING = "2026-10-21"
"""From this version on, the API answers 400 to any sampling parameter."""

_SIGNATURE = "c2ltdWxhdGVk"


async def create(request: web.Request) -> web.StreamResponse:
    teacher = request.app[TEACHER]
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not teacher.accepts(bearer or request.headers.get("x-api-key")):
        return error(401, "authentication_error", "invalid x-api-key")
    try:
        body = await read_body(request)
        _check(body, request.headers.get("anthropic-version", ""))
        question = question_of(body["messages"])
        thinking = _thinking(body.get("thinking"))
    except (ValueError, AttributeError, TypeError) as problem:
        return error(400, "invalid_request_error", str(problem))
    answer = teacher.answer(question, request)
    if answer.reasoning is not None and thinking is None:
        answer = Answer(None, f"{answer.reasoning}\n\nAnswer: {answer.text}")
    cut = within(answer, body["max_tokens"])
    input_tokens = tokens(msgspec.json.encode([body.get("system"), body["messages"]]).decode())
    teacher.bill(input_tokens, cut.output_tokens)
    blocks = _blocks(cut, thinking)
    message = {
        "id": fresh_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": blocks,
        "stop_reason": "end_turn" if cut.whole else "max_tokens",
        "stop_sequence": None,
        "usage": {
            "input_tokens": input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": cut.output_tokens,
            "output_tokens_details": {"thinking_tokens": cut.reasoning_tokens},
            "service_tier": "standard",
        },
    }
    if body.get("stream"):
        return await _stream(request, message)
    return web.Response(body=msgspec.json.encode(message), content_type="application/json", headers=_headers())


def error(status: int, kind: str, message: str) -> web.Response:
    headers = _headers()
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": headers["request-id"]}
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json", headers=headers)


def _check(body: dict[str, Any], version: str) -> None:
    if not version:
        raise ValueError("anthropic-version: header is required")
    if cap_of(body, "max_tokens") is None:
        raise ValueError("max_tokens: Field required")
    sampling = [name for name in ("temperature", "top_p", "top_k") if name in body]
    if sampling and version >= WITHOUT_SAMPLING:
        raise ValueError(f"{sampling[0]}: not supported by this version")


def _thinking(setting: Any) -> str | None:
    """`summarized`, `omitted`, or None when thinking is off."""
    kind = (setting or {}).get("type", "disabled")
    if kind == "enabled" and not isinstance(setting.get("budget_tokens"), int):
        raise ValueError("thinking.budget_tokens: Field required")
    if kind not in ("adaptive", "enabled", "disabled", "between_tools"):
        raise ValueError("thinking.type: unknown type")
    return setting.get("display", "omitted") if kind in ("adaptive", "enabled") else None


def _blocks(cut: Cut, thinking: str | None) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if cut.reasoning is not None:
        shown = cut.reasoning if thinking == "summarized" else ""
        blocks.append({"type": "thinking", "thinking": shown, "signature": _SIGNATURE})
    if cut.text or not blocks:
        blocks.append({"type": "text", "text": cut.text})
    return blocks


async def _stream(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
    response = web.StreamResponse(headers={**_headers(), "Content-Type": "text/event-stream"})
    await response.prepare(request)

    async def send(kind: str, **fields: Any) -> None:
        data = msgspec.json.encode({"type": kind, **fields})
        await response.write(b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n")

    usage = {**message["usage"], "output_tokens": 1}
    await send("message_start", message={**message, "content": [], "stop_reason": None, "usage": usage})
    for index, block in enumerate(message["content"]):
        field = block["type"] if block["type"] == "thinking" else "text"
        start = {**block, field: "", **({"signature": ""} if field == "thinking" else {})}
        await send("content_block_start", index=index, content_block=start)
        for piece in block[field].splitlines(keepends=True):
            await send("content_block_delta", index=index, delta={"type": f"{field}_delta", field: piece})
        if field == "thinking":
            signature = {"type": "signature_delta", "signature": block["signature"]}
            await send("content_block_delta", index=index, delta=signature)
        await send("content_block_stop", index=index)
    stop = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    await send("message_delta", delta=stop, usage=message["usage"])
    await send("message_stop")
    return response


def _headers() -> dict[str, str]:
    reset = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    headers = {"request-id": fresh_id("req_"), "anthropic-organization-id": "simulated"}
    for axis, limit in (("requests", 100_000), ("input-tokens", 100_000_000), ("output-tokens", 100_000_000)):
        headers[f"anthropic-ratelimit-{axis}-limit"] = str(limit)
        headers[f"anthropic-ratelimit-{axis}-remaining"] = str(limit - 1)
        headers[f"anthropic-ratelimit-{axis}-reset"] = reset
    return headers
