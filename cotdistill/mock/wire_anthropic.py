"""Anthropic Messages: the trace comes in a thinking block when thinking is on, else inside the text."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from aiohttp import web

from cotdistill.mock import wire_common
from cotdistill.mock.sources import Answer, question_of
from cotdistill.mock.wire_common import Cut, Level, Reply, Sampler, cap_of, fresh_id, tokens_of, turns, within

NAME = "messages"
AXES: tuple[str, ...] = ("requests", "input_tokens", "output_tokens")
REQUEST_ID = "request-id"

WITHOUT_SAMPLING = "2026-10-21"
"""From this version on, the API answers 400 to any sampling parameter."""

THINKING = ("adaptive", "enabled", "disabled", "between_tools")

_SIGNATURE = "c2ltdWxhdGVk"

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def key(headers: Mapping[str, str]) -> str | None:
    return headers.get("Authorization", "").removeprefix("Bearer ") or headers.get("x-api-key")


def reply(body: dict[str, Any], headers: Mapping[str, str], sample: Sampler, truncate: bool) -> Reply:
    messages = turns(body)
    _check(body, headers.get("anthropic-version", ""))
    question, thinking = question_of(messages), _thinking(body.get("thinking"))
    answer = sample(question, 0)
    if answer.reasoning is not None and thinking is None:
        answer = Answer(None, f"{answer.reasoning}\n\nAnswer: {answer.text}")
    cut = within(answer, body["max_tokens"], truncate)
    billed = wire_common.billed(tokens_of(body.get("system"), messages), [cut])
    content = {
        "id": fresh_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": _blocks(cut, thinking),
        "stop_reason": "end_turn" if cut.whole else "max_tokens",
        "stop_sequence": None,
        "usage": {
            "input_tokens": billed.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": billed.output_tokens,
            "output_tokens_details": {"thinking_tokens": billed.reasoning_tokens},
            "service_tier": "standard",
        },
    }
    return Reply(200, content, {"anthropic-organization-id": "simulated"}, billed)


def refusal(status: int, message: str, code: str | None = None) -> Reply:
    error = {"type": code or _KINDS.get(status, "api_error"), "message": message}
    return Reply(status, {"type": "error", "error": error, "request_id": fresh_id("req_")})


def spent() -> Reply:
    found = refusal(429, "Your organization has reached its monthly spending limit.")
    found.content["error"]["details"] = {"error_code": "enforced_spend_limit_reached"}
    return found


def limit_headers(levels: Mapping[str, Level]) -> dict[str, str]:
    headers = {}
    for axis, level in levels.items():
        name = f"anthropic-ratelimit-{axis.replace('_', '-')}"
        full = datetime.now(UTC) + timedelta(seconds=level.reset_s)
        headers[f"{name}-limit"] = str(level.per_minute)
        headers[f"{name}-remaining"] = str(level.remaining)
        headers[f"{name}-reset"] = full.isoformat(timespec="seconds").replace("+00:00", "Z")
    return headers


def events(content: dict[str, Any]) -> Iterator[bytes]:
    usage = {**content["usage"], "output_tokens": 1}
    yield _event("message_start", message={**content, "content": [], "stop_reason": None, "usage": usage})
    for index, block in enumerate(content["content"]):
        field = {"thinking": "thinking", "text": "text"}.get(block["type"])
        empty = {field: ""} if field else {}
        unsigned = {"signature": ""} if field == "thinking" else {}
        yield _event("content_block_start", index=index, content_block={**block, **empty, **unsigned})
        for piece in block[field].splitlines(keepends=True) if field else ():
            yield _event("content_block_delta", index=index, delta={"type": f"{field}_delta", field: piece})
        if field == "thinking":
            signature = {"type": "signature_delta", "signature": block["signature"]}
            yield _event("content_block_delta", index=index, delta=signature)
        yield _event("content_block_stop", index=index)
    stop = {"stop_reason": content["stop_reason"], "stop_sequence": None}
    yield _event("message_delta", delta=stop, usage=content["usage"])
    yield _event("message_stop")


def overload_event() -> bytes:
    return _event("error", error={"type": "overloaded_error", "message": "Overloaded"})


def spoilt(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    if kind == "unknown":
        return {**content, "content": [{"type": "hologram", "shape": "sphere"}, *content["content"]]}
    return {**content, "content": None if kind == "null" else []}


def error(status: int, kind: str, message: str) -> web.Response:
    return wire_common.as_response(refusal(status, message, kind), REQUEST_ID)


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
    if kind not in THINKING:
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


def _event(kind: str, **fields: Any) -> bytes:
    data = msgspec.json.encode({"type": kind, **fields})
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"
