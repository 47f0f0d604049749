"""OpenAI Chat Completions, as open-weight servers speak it: the trace comes in `reasoning_content`."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from aiohttp import web

from cotdistill.mock import likely, wire_common
from cotdistill.mock.sources import question_of
from cotdistill.mock.wire_common import Billed, Cut, Level, Reply, Sampler, cap_of, fresh_id, tokens_of, turns, within

NAME = "chat"
AXES: tuple[str, ...] = ("requests", "tokens")
REQUEST_ID = "x-request-id"

_CODES = {
    401: "invalid_api_key",
    404: "model_not_found",
    429: "rate_limit_exceeded",
    503: "overloaded",
    529: "overloaded",
}


def key(headers: Mapping[str, str]) -> str | None:
    return headers.get("Authorization", "").removeprefix("Bearer ")


def reply(body: dict[str, Any], headers: Mapping[str, str], sample: Sampler, truncate: bool) -> Reply:
    messages, question = turns(body), question_of(body["messages"])
    cap = cap_of(body, "max_completion_tokens", "max_tokens")
    choices = cap_of(body, "n") or 1
    cuts = [within(sample(question, n), cap, truncate) for n in range(choices)]
    billed = wire_common.billed(tokens_of(*messages), cuts)
    content = {
        "id": fresh_id("chatcmpl-"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [
            {
                "index": n,
                "message": _message(cut),
                **_logprobs(cut, body),
                "finish_reason": "stop" if cut.whole else "length",
            }
            for n, cut in enumerate(cuts)
        ],
        "usage": _usage(billed),
        "system_fingerprint": "simulated",
    }
    return Reply(200, content, billed=billed)


def refusal(status: int, message: str, code: str | None = None) -> Reply:
    kind = "requests" if status == 429 else "invalid_request_error" if status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": None, "code": code or _CODES.get(status)}
    return Reply(status, {"error": error})


def spent() -> Reply:
    return refusal(429, "You exceeded your current quota, please check your plan.", "insufficient_quota")


def limit_headers(levels: Mapping[str, Level]) -> dict[str, str]:
    headers = {}
    for axis, level in levels.items():
        headers[f"x-ratelimit-limit-{axis}"] = str(level.per_minute)
        headers[f"x-ratelimit-remaining-{axis}"] = str(level.remaining)
        headers[f"x-ratelimit-reset-{axis}"] = _duration(level.reset_s)
    return headers


def events(content: dict[str, Any]) -> Iterator[bytes]:
    envelope = {name: content[name] for name in ("id", "created", "model")}

    def chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
        return _event({**envelope, "object": "chat.completion.chunk", "choices": choices, **more})

    for choice in content["choices"]:
        index, message = choice["index"], choice["message"]
        yield chunk([{"index": index, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
        for name in ("reasoning_content", "content"):
            listed = _entries(choice, name)
            for line in (message.get(name) or "").splitlines(keepends=True):
                now, listed = listed[: len(line.encode())], listed[len(line.encode()) :]
                said = {_LISTS[name]: {"content": now}} if now else {}
                yield chunk([{"index": index, "delta": {name: line}, **said, "finish_reason": None}])
        yield chunk([{"index": index, "delta": {}, "finish_reason": choice["finish_reason"]}])
    yield chunk([], usage=content["usage"])
    yield b"data: [DONE]\n\n"


_LISTS = {"reasoning_content": "reasoning_logprobs", "content": "logprobs"}


def _entries(choice: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The tokens of a part of the message, of which each is a byte; none where they were not asked for."""
    found = choice.get(_LISTS[name]) or {}
    return list(found.get("content") or ())


def overload_event() -> bytes:
    return _event(refusal(529, "Overloaded").content)


def spoilt(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    if kind == "null":
        return {**content, "choices": None}
    message = content["choices"][0]["message"]
    if kind == "empty":
        message = {"role": "assistant", "content": "", "refusal": None}
    else:
        parts = [{"type": "hologram", "shape": "sphere"}, {"type": "text", "text": message["content"]}]
        message = {**message, "content": parts}
    return {**content, "choices": [{**content["choices"][0], "message": message}]}


def error(status: int, code: str, message: str) -> web.Response:
    return wire_common.as_response(refusal(status, message, code), REQUEST_ID)


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(data) + b"\n\n"


def _message(cut: Cut) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": cut.text, "refusal": None}
    if cut.reasoning is not None:
        message["reasoning_content"] = cut.reasoning
    return message


MOST_LOGPROBS = 20


def _logprobs(cut: Cut, body: dict[str, Any]) -> dict[str, Any]:
    """Those of the trace in a list of their own, as Cerebras has them. By ids where vLLM's field asks for these."""
    if body.get("logprobs") is not True:
        return {"logprobs": None}
    wanted, by_id = body.get("top_logprobs") or 0, body.get("return_tokens_as_token_ids") is True
    if not isinstance(wanted, int) or not 0 <= wanted <= MOST_LOGPROBS:
        raise ValueError(f"top_logprobs: expected a number from 0 to {MOST_LOGPROBS}")
    apart = {"content": likely.entries(cut.reasoning or "", wanted, by_id=by_id)}
    content = {"content": likely.entries(cut.text, wanted, by_id=by_id), "refusal": None}
    return {"logprobs": content, **({"reasoning_logprobs": apart} if cut.reasoning else {})}


def _usage(billed: Billed) -> dict[str, Any]:
    return {
        "prompt_tokens": billed.input_tokens,
        "completion_tokens": billed.output_tokens,
        "total_tokens": billed.input_tokens + billed.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": billed.reasoning_tokens},
    }


def _duration(seconds: float) -> str:
    """As Go writes it: 12ms, 1.5s, 6m0s."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{int(minutes)}m{rest:g}s" if minutes else f"{rest:g}s"
