"""Each server's dialect: what is sent to it, and where its reasoning arrives. Over its real SDK on loopback."""

import asyncio
import json
import socket
from typing import Any

import pytest

from cotdistill.errors import UsageError
from cotdistill.providers.connections import KEEPALIVE_S, kept_alive
from cotdistill.providers.types import Failure, Reply, Request
from cotdistill.records import Message
from cotdistill.teachers.anthropic import MOST_UNSTREAMED
from cotdistill.teachers.anthropic import Teacher as Anthropic
from cotdistill.teachers.openai import Teacher as OpenAI
from tests.conftest import make_teacher
from tests.scripted_server import Scripted, completion, message, serving

ASKED = (Message(role="system", content="Be brief."), Message(role="user", content="2+2?"))


def request(cap: int = 100, effort: str | None = None) -> Request:
    return Request(ASKED, cap, effort=effort)


def ask(provider: str, scripted: Scripted, asked: Request, path: str = "") -> tuple[Reply, dict[str, Any]]:
    async def run() -> tuple[Reply, dict[str, Any]]:
        async with (
            serving(lambda number, body: scripted) as server,
            make_teacher(provider, base_url=server.url + path) as one,
        ):
            return await one.ask(asked, "s1:k-0"), server.requests[0]

    return asyncio.run(run())


# What is sent


@pytest.mark.parametrize(
    ("provider", "effort", "sent"),
    [
        ("deepseek", None, {"thinking": {"type": "enabled"}}),
        ("deepseek", "high", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        ("deepseek", "none", {"thinking": {"type": "disabled"}}),
        ("openrouter", None, {"reasoning": {"enabled": True}, "usage": {"include": True}}),
        ("openrouter", "low", {"reasoning": {"effort": "low"}, "usage": {"include": True}}),
        ("ollama", "high", {"reasoning_effort": "high"}),
        ("vllm", None, {}),
        (
            "vllm",
            "none",
            {"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": False, "thinking": False}},
        ),
        (
            "sglang",
            "high",
            {"reasoning_effort": "high", "chat_template_kwargs": {"enable_thinking": True, "thinking": True}},
        ),
    ],
)
def test_each_server_is_asked_for_reasoning_in_its_own_words(
    provider: str, effort: str | None, sent: dict[str, Any]
) -> None:
    _, body = ask(provider, Scripted(completion()), request(effort=effort), "/v1")
    common = {"model": "m", "messages": [{"role": one.role, "content": one.content} for one in ASKED]}
    assert body == {**common, "max_tokens": 100, **sent}


@pytest.mark.parametrize(
    ("base_url", "cap"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("https://mine.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("https://notopenai.com/v1", "max_tokens"),
        ("http://localhost:8000/v1", "max_tokens"),
    ],
)
def test_the_cap_has_the_name_that_the_server_honours(base_url: str, cap: str) -> None:
    body = OpenAI(model="m", base_url=base_url).body(request())
    assert {"max_tokens", "max_completion_tokens"} & set(body) == {cap}


def test_responses_asks_for_a_summary_and_leaves_nothing_at_the_provider() -> None:
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "2+2=4"}]},
        {"type": "hologram"},
        {"type": "message", "content": [{"type": "output_text", "text": "4"}]},
    ]
    usage = {"input_tokens": 7, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 3}}
    reply, body = ask(
        "openai_responses",
        Scripted({"status": "completed", "model": "served", "output": output, "usage": usage}),
        request(effort="high"),
        "/v1",
    )
    assert (reply.text, reply.reasoning, reply.reasoning_kind, reply.reasoning_rule) == (
        "4",
        "2+2=4",
        "summary",
        "summary",
    )
    assert (body["store"], body["reasoning"]) == (False, {"summary": "auto", "effort": "high"})
    assert (body["max_output_tokens"], "messages" in body) == (100, False)


@pytest.mark.parametrize(
    ("more", "stop_reason", "kind"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length", "omitted"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter", "omitted"),
        ({"status": "completed"}, "stop", "omitted"),
    ],
)
def test_responses_without_a_summary_say_that_reasoning_was_paid_for(
    more: dict[str, Any], stop_reason: str, kind: str
) -> None:
    usage = {"input_tokens": 7, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 3}}
    reply = make_teacher("openai_responses").read(json.dumps({"output": [], "usage": usage, **more}).encode())
    assert (reply.stop_reason, reply.reasoning_kind) == (stop_reason, kind)


# Claude's thinking


@pytest.mark.parametrize("model", ["claude-opus-4-8", "claude-sonnet-5-5", "claude-fable-5", "somebody-elses"])
def test_thinking_is_adaptive_and_summarised_where_the_model_knows_it(model: str) -> None:
    assert Anthropic(model=model).body(request(8192, "high")) == {
        "model": model,
        "max_tokens": 8192,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "2+2?"}],
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "high"},
    }


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-haiku-4-5-20251001", "claude-3-7-sonnet-20250219"])
def test_older_models_get_a_budget_that_leaves_room_for_the_answer(model: str) -> None:
    assert Anthropic(model=model).body(request(8192))["thinking"] == {
        "type": "enabled",
        "budget_tokens": 6144,
        "display": "summarized",
    }
    with pytest.raises(UsageError, match="a budget of at least 1024 tokens"):
        Anthropic(model=model).body(request(1000))


def test_a_large_cap_is_streamed_and_read_like_a_whole_message() -> None:
    whole = message({"type": "thinking", "thinking": "2+2=4", "signature": "sig"}, {"type": "text", "text": "4"})
    start = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "2+2"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "=4"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "sig"}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "4"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]
    body = b"".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in events)

    async def run() -> tuple[Reply, dict[str, Any]]:
        from aiohttp import web

        seen: list[dict[str, Any]] = []

        async def handle(asked: web.Request) -> web.StreamResponse:
            seen.append(await asked.json())
            return web.Response(body=body, content_type="text/event-stream")

        app = web.Application()
        app.router.add_post("/v1/messages", handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with make_teacher("anthropic", base_url=f"http://127.0.0.1:{runner.addresses[0][1]}") as one:
                return await one.ask(request(MOST_UNSTREAMED + 1), "s1:k-0"), seen[0]
        finally:
            await runner.cleanup()

    reply, sent = asyncio.run(run())
    unstreamed = make_teacher("anthropic").read(json.dumps(whole).encode())
    assert sent["stream"] is True
    assert "stream" not in Anthropic(model="m").body(request(MOST_UNSTREAMED))
    assert (reply.text, reply.reasoning, reply.stop_reason, reply.usage) == (
        unstreamed.text,
        unstreamed.reasoning,
        unstreamed.stop_reason,
        unstreamed.usage,
    )


# Where reasoning arrives


@pytest.mark.parametrize(
    ("fields", "text", "reasoning", "rule"),
    [
        ({"reasoning_details": [{"type": "reasoning.text", "text": "R"}], "reasoning": "S"}, "4", "R", "details"),
        ({"reasoning": "R", "reasoning_content": "S"}, "4", "R", "reasoning"),
        ({"reasoning_content": "R"}, "4", "R", "reasoning_content"),
        ({}, "<think>R</think>4", "R", "</think>"),
        ({}, "R</think>4", "R", "</think>"),
        ({}, "◁think▷R◁/think▷4", "R", "◁/think▷"),
        ({}, "4", None, None),
    ],
)
def test_the_rule_that_found_the_reasoning_is_kept(
    fields: dict[str, Any], text: str, reasoning: str | None, rule: str | None
) -> None:
    reply = make_teacher("openai").read(json.dumps(completion(text, **fields)).encode())
    assert (reply.reasoning, reply.text) == (reasoning, "4")
    assert reply.reasoning_rule == ("reasoning_details" if rule == "details" else rule)


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ({"error": {"code": 429, "message": "slow down"}}, "retry", "slow down"),
        ({"choices": [{"error": {"code": 402, "message": "no credits"}}]}, "account", "no credits"),
        ({"error": {"type": "overloaded_error", "message": "busy"}}, "retry", "busy"),
        ({"error": {"code": "content_filter", "type": "invalid_request_error", "message": "x"}}, "row", "content"),
    ],
)
def test_an_error_under_status_200_means_what_it_would_mean_with_its_own(
    body: dict[str, Any], kind: str, words: str
) -> None:
    one = make_teacher("openrouter")
    with pytest.raises(Exception) as caught:  # BadReplyError, by way of classify
        one.read(json.dumps(body).encode())
    failure = one.classify(caught.value)
    assert isinstance(failure, Failure)
    assert (failure.kind, words in failure.message) == (kind, True)


def test_a_silent_connection_is_kept_alive() -> None:
    """A reasoning model says nothing for minutes, and routers forget a silent connection."""
    with kept_alive((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 9))) as opened:
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == KEEPALIVE_S
