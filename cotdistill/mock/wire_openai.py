"""OpenAI Chat Completions, as open-weight servers speak it: the trace comes in `reasoning_content`."""

import time
from typing import Any

import msgspec
from aiohttp import web

from cotdistill.mock.sources import question_of
from cotdistill.mock.teacher import TEACHER
from cotdistill.mock.wire import Cut, cap_of, fresh_id, read_body, tokens, within

_LIMITS = {
    "x-ratelimit-limit-requests": "100000",
    "x-ratelimit-remaining-requests": "99999",
    "x-ratelimit-reset-requests": "1ms",
    "x-ratelimit-limit-tokens": "100000000",
    "x-ratelimit-remaining-tokens": "99999999",
    "x-ratelimit-reset-tokens": "1ms",
}


async def complete(request: web.Request) -> web.StreamResponse:
    teacher = request.app[TEACHER]
    if not teacher.accepts(request.headers.get("Authorization", "").removeprefix("Bearer ")):
        return error(401, "invalid_api_key", "Incorrect API key provided.")
    try:
        body = await read_body(request)
        cap = cap_of(body, "max_completion_tokens", "max_tokens")
        choices = cap_of(body, "n") or 1
        question = question_of(body["messages"])
    except (ValueError, AttributeError, TypeError) as problem:
        return error(400, "invalid_request_error", str(problem))
    cuts = [within(teacher.answer(question, request, n), cap) for n in range(choices)]
    input_tokens = tokens(msgspec.json.encode(body["messages"]).decode())
    usage = _usage(input_tokens, cuts)
    teacher.bill(input_tokens, usage["completion_tokens"])
    envelope = {"id": fresh_id("chatcmpl-"), "created": int(time.time()), "model": body["model"]}
    if body.get("stream"):
        return await _stream(request, envelope, cuts, usage)
    whole = {
        **envelope,
        "object": "chat.completion",
        "choices": [
            {"index": n, "message": _message(cut), "logprobs": None, "finish_reason": _finish(cut)}
            for n, cut in enumerate(cuts)
        ],
        "usage": usage,
        "system_fingerprint": "simulated",
    }
    return web.Response(body=msgspec.json.encode(whole), content_type="application/json", headers=_headers())


def error(status: int, code: str, message: str) -> web.Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json", headers=_headers()
    )


async def _stream(
    request: web.Request, envelope: dict[str, Any], cuts: list[Cut], usage: dict[str, Any]
) -> web.StreamResponse:
    response = web.StreamResponse(headers={**_headers(), "Content-Type": "text/event-stream"})
    await response.prepare(request)

    async def send(choices: list[dict[str, Any]], **more: Any) -> None:
        chunk = {**envelope, "object": "chat.completion.chunk", "choices": choices, **more}
        await response.write(b"data: " + msgspec.json.encode(chunk) + b"\n\n")

    for n, cut in enumerate(cuts):
        await send([{"index": n, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
        for name, text in (("reasoning_content", cut.reasoning), ("content", cut.text)):
            for word in (text or "").splitlines(keepends=True):
                await send([{"index": n, "delta": {name: word}, "finish_reason": None}])
        await send([{"index": n, "delta": {}, "finish_reason": _finish(cut)}])
    await send([], usage=usage)
    await response.write(b"data: [DONE]\n\n")
    return response


def _message(cut: Cut) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": cut.text, "refusal": None}
    if cut.reasoning is not None:
        message["reasoning_content"] = cut.reasoning
    return message


def _finish(cut: Cut) -> str:
    return "stop" if cut.whole else "length"


def _usage(input_tokens: int, cuts: list[Cut]) -> dict[str, Any]:
    output = sum(cut.output_tokens for cut in cuts)
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output,
        "total_tokens": input_tokens + output,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": sum(cut.reasoning_tokens for cut in cuts)},
    }


def _headers() -> dict[str, str]:
    return {"x-request-id": fresh_id("req_"), **_LIMITS}
