"""Each teacher through its real SDK against a server on loopback: what is sent, what is read, what errors mean."""

import asyncio
from typing import Any

import pytest

from cotdistill.errors import AccountError, UsageError
from cotdistill.providers.errors import clean
from cotdistill.providers.rate_limits import retry_after_s
from cotdistill.providers.types import BadReplyError, Failure, Reply, Request
from cotdistill.records import Message, Usage
from cotdistill.teachers.anthropic import Teacher as Anthropic
from cotdistill.teachers.openai import HOSTED
from cotdistill.teachers.openai import Teacher as OpenAI
from tests.scripted_server import Scripted, completion, message, serving

QUESTION = Request((Message(role="system", content="Be brief."), Message(role="user", content="2+2?")), 100)
Kind = type[OpenAI] | type[Anthropic]


def ask(
    kind: Kind, scripted: Scripted, request: Request = QUESTION
) -> tuple[Reply | Failure, dict[str, Any], dict[str, str]]:
    """One request; gives the reply or what the teacher makes of the error, and the body and headers sent."""

    async def run() -> tuple[Reply | Failure, dict[str, Any], dict[str, str]]:
        async with serving(lambda number, body: scripted) as server:
            url = server.url + ("/v1" if kind is OpenAI else "")
            async with kind(model="m", base_url=url, timeout_s=5) as teacher:
                outcome: Reply | Failure
                try:
                    outcome = await teacher.ask(request, "s1:abc-3")
                except Exception as error:
                    outcome = teacher.classify(error)
            return outcome, server.requests[0], server.headers[0]

    return asyncio.run(run())


def test_openai_sends_the_messages_and_a_cap_that_compatible_servers_honour() -> None:
    _, body, headers = ask(OpenAI, Scripted(completion()))
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"}],
        "max_tokens": 100,
    }
    assert headers["idempotency-key"] == "s1:abc-3"


def test_hosted_openai_gets_the_cap_that_reasoning_models_take() -> None:
    body = OpenAI(model="m", base_url=HOSTED).body(QUESTION)
    assert body["max_completion_tokens"] == 100
    assert "max_tokens" not in body


@pytest.mark.parametrize(
    ("reply", "reasoning", "kind", "text"),
    [
        (completion("4", reasoning_content="2+2=4"), "2+2=4", "raw", "4"),
        (completion("4", reasoning="2+2=4"), "2+2=4", "raw", "4"),
        (completion("4", reasoning_details=[{"type": "reasoning.text", "text": "2+2=4"}]), "2+2=4", "raw", "4"),
        (completion("<think>2+2=4</think>\n\n4"), "2+2=4", "raw", "4"),
        (completion("2+2=4</think>4"), "2+2=4", "raw", "4"),
        (completion("4"), None, "omitted", "4"),
        ({**completion("2+2 makes 4.\nAnswer: 4"), "usage": None}, None, "worked", "2+2 makes 4.\nAnswer: 4"),
        ({**completion("4"), "usage": None}, None, "none", "4"),
    ],
)
def test_openai_finds_the_reasoning_wherever_a_server_puts_it(
    reply: dict[str, Any], reasoning: str | None, kind: str, text: str
) -> None:
    outcome, _, _ = ask(OpenAI, Scripted(reply))
    assert isinstance(outcome, Reply)
    assert (outcome.reasoning, outcome.reasoning_kind, outcome.text) == (reasoning, kind, text)


@pytest.mark.parametrize(
    ("finish", "extra", "stop_reason"),
    [
        ("stop", {}, "stop"),
        ("length", {}, "length"),
        ("content_filter", {}, "content_filter"),
        (None, {}, "stop"),
        ("tool_calls", {}, "other"),
        ("stop", {"refusal": "I cannot help with that."}, "refusal"),
    ],
)
def test_openai_stop_reasons(finish: str | None, extra: dict[str, str], stop_reason: str) -> None:
    outcome, _, _ = ask(OpenAI, Scripted(completion("x", finish, **extra)))
    assert isinstance(outcome, Reply)
    assert outcome.stop_reason == stop_reason


def test_openai_usage_is_read_and_a_missing_one_is_unknown() -> None:
    outcome, _, _ = ask(OpenAI, Scripted(completion()))
    assert isinstance(outcome, Reply)
    assert outcome.usage == Usage(input_tokens=7, output_tokens=5, reasoning_tokens=3, cached_tokens=2)
    bare = OpenAI(model="m").read(b'{"choices":[{"message":{"content":"4"}}]}')
    assert bare.usage == Usage()


def test_anthropic_asks_for_summarised_thinking_and_lifts_the_system_prompt() -> None:
    _, body, headers = ask(Anthropic, Scripted(message({"type": "text", "text": "4"})))
    assert body == {
        "model": "m",
        "max_tokens": 100,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "2+2?"}],
        "thinking": {"type": "adaptive", "display": "summarized"},
    }
    assert headers["idempotency-key"] == "s1:abc-3"


def test_anthropic_takes_no_temperature() -> None:
    with pytest.raises(UsageError, match="--temperature: the Anthropic API takes no sampling parameters"):
        Anthropic(model="m").body(Request(QUESTION.messages, 100, temperature=1.0))


@pytest.mark.parametrize(
    ("blocks", "reasoning", "kind"),
    [
        ([{"type": "thinking", "thinking": "2+2=4", "signature": "s"}], "2+2=4", "summary"),
        (
            [
                {"type": "thinking", "thinking": "a", "signature": "s"},
                {"type": "thinking", "thinking": "b", "signature": "s"},
            ],
            "a\n\nb",
            "summary",
        ),
        ([{"type": "thinking", "thinking": "", "signature": "s"}], None, "omitted"),
        ([{"type": "redacted_thinking", "data": "x"}], None, "redacted"),
        ([{"type": "holographic", "beam": 1}], None, "omitted"),
        ([], None, "omitted"),
    ],
)
def test_anthropic_thinking_is_told_apart(blocks: list[dict[str, Any]], reasoning: str | None, kind: str) -> None:
    outcome, _, _ = ask(Anthropic, Scripted(message(*blocks, {"type": "text", "text": "4"})))
    assert isinstance(outcome, Reply)
    assert (outcome.reasoning, outcome.reasoning_kind, outcome.text) == (reasoning, kind, "4")
    assert outcome.usage == Usage(input_tokens=10, output_tokens=5, reasoning_tokens=3, cached_tokens=2)


@pytest.mark.parametrize(
    ("given", "stop_reason"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("refusal", "refusal"),
        ("pause_turn", "other"),
        ("new_one", "other"),
    ],
)
def test_anthropic_stop_reasons(given: str, stop_reason: str) -> None:
    outcome, _, _ = ask(Anthropic, Scripted(message({"type": "text", "text": "4"}, stop_reason=given)))
    assert isinstance(outcome, Reply)
    assert outcome.stop_reason == stop_reason


def error_body(kind: Kind, code: str, words: str) -> dict[str, Any]:
    inner = {"type": code, "code": code, "message": words}
    return {"error": inner} if kind is OpenAI else {"type": "error", "error": inner}


@pytest.mark.parametrize("kind", [OpenAI, Anthropic])
@pytest.mark.parametrize(
    ("scripted_status", "code", "meaning"),
    [
        (400, "invalid_request", "row"),
        (401, "invalid_api_key", "account"),
        (402, "billing", "account"),
        (403, "permission", "account"),
        (404, "model_not_found", "account"),
        (408, "timeout", "retry"),
        (413, "too_large", "row"),
        (422, "unprocessable", "row"),
        (429, "rate_limit_exceeded", "retry"),
        (429, "insufficient_quota", "account"),
        (500, "api_error", "retry"),
        (503, "unavailable", "retry"),
        (529, "overloaded_error", "retry"),
    ],
)
def test_every_status_has_one_meaning(kind: Kind, scripted_status: int, code: str, meaning: str) -> None:
    scripted = Scripted(error_body(kind, code, "some words"), scripted_status, {"retry-after": "7"})
    outcome, _, _ = ask(kind, scripted)
    assert isinstance(outcome, Failure)
    assert (outcome.kind, "some words" in outcome.message) == (meaning, True)
    assert outcome.wait_s == (7.0 if meaning == "retry" else None)


@pytest.mark.parametrize("kind", [OpenAI, Anthropic])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad gateway</html>",
        b"null",
        b'{"error": {"message": "boom"}}',
        b'{"choices": null, "content": null}',
        b"[]",
    ],
)
def test_a_200_without_an_answer_is_tried_again(kind: Kind, body: bytes) -> None:
    outcome, _, _ = ask(kind, Scripted(body))
    assert isinstance(outcome, Failure)
    assert outcome.kind == "retry"


@pytest.mark.parametrize("kind", [OpenAI, Anthropic])
def test_a_cut_connection_is_tried_again(kind: Kind) -> None:
    outcome, _, _ = ask(kind, Scripted(cut=True))
    assert isinstance(outcome, Failure)
    assert outcome.kind == "retry"


@pytest.mark.parametrize("kind", [OpenAI, Anthropic])
def test_a_server_that_is_not_there_is_unreachable(kind: Kind) -> None:
    async def run() -> Failure:
        async with kind(model="m", base_url="http://127.0.0.1:9/v1") as teacher:
            try:
                await teacher.ask(QUESTION, "k-0")
            except Exception as error:
                return teacher.classify(error)
        raise AssertionError("something answered on port 9")

    assert asyncio.run(run()).kind == "unreachable"


@pytest.mark.parametrize(("kind", "variable"), [(OpenAI, "OPENAI_API_KEY"), (Anthropic, "ANTHROPIC_API_KEY")])
def test_a_missing_key_names_its_variable(kind: Kind, variable: str) -> None:
    async def run() -> None:
        async with kind(model="m"):
            pass

    with pytest.raises(AccountError, match=f"{variable} is not set.*put it into .env"):
        asyncio.run(run())


@pytest.mark.parametrize("kind", [OpenAI, Anthropic])
def test_a_bug_is_not_taken_for_a_failed_request(kind: Kind) -> None:
    with pytest.raises(ZeroDivisionError):
        kind(model="m").classify(ZeroDivisionError())


def test_what_was_stored_is_read_like_what_arrived() -> None:
    outcome, _, _ = ask(OpenAI, Scripted(completion("4", reasoning_content="2+2")))
    assert isinstance(outcome, Reply)
    assert OpenAI(model="m").read(outcome.raw) == outcome
    with pytest.raises(BadReplyError, match="no chat completion"):
        OpenAI(model="m").read(b"\xff")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0.0),
        ({}, None),
    ],
)
def test_retry_after_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_server_words_cannot_show_a_key_or_steer_a_terminal() -> None:
    words = clean("Incorrect API key provided: sk-proj-abc123DEF456. \x1b[31mSee\nhttps://x")
    assert words == "Incorrect API key provided: [key] [31mSee https://x"
