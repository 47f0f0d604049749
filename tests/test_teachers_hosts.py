"""Teachers at other hosts, each over its real SDK against a stand-in of its wire format: where it posts and with which
key, what it says of reasoning, where the trace is, what is billed, and what a limit is called."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from cotdistill import teachers
from cotdistill.errors import AccountError, UsageError
from cotdistill.pricing import Prices
from cotdistill.providers.types import Failure, Reply, Request
from cotdistill.records import Message, Usage
from tests.conftest import make_teacher
from tests.scripted_server import Scripted, Server, completion, message, serving

ASKED = (Message(role="system", content="Be brief."), Message(role="user", content="2+2?"))
EVENTS = {"content-type": "text/event-stream"}
TURNS = [{"role": one.role, "content": one.content} for one in ASKED]
Answer = Callable[[int, dict[str, Any]], Scripted]


def ask(
    provider: str, scripted: Scripted | Answer, model: str = "m", path: str = "", times: int = 1, cap: int = 100
) -> tuple[list[Reply | Failure], Server]:
    """What comes of asking `times` times in a row."""
    answer = scripted if callable(scripted) else lambda number, body: scripted

    async def run() -> tuple[list[Reply | Failure], Server]:
        outcomes: list[Reply | Failure] = []
        async with serving(answer) as server, make_teacher(provider, model, base_url=server.url + path) as one:
            for number in range(times):
                try:
                    outcomes.append(await one.ask(Request(ASKED, cap), f"s1:k-{number}"))
                except Exception as error:
                    outcomes.append(one.classify(error))
            return outcomes, server

    return asyncio.run(run())


# Chat Completions under other names


@pytest.mark.parametrize(
    ("provider", "key", "base_url", "cap"),
    [
        ("gemini", "GEMINI_API_KEY", "https://generativelanguage.googleapis.com/v1beta/openai", "max_tokens"),
        ("together", "TOGETHER_API_KEY", "https://api.together.xyz/v1", "max_tokens"),
        ("cerebras", "CEREBRAS_API_KEY", "https://api.cerebras.ai/v1", "max_completion_tokens"),
        ("fireworks", "FIREWORKS_API_KEY", "https://api.fireworks.ai/inference/v1", "max_tokens"),
        ("groq", "GROQ_API_KEY", "https://api.groq.com/openai/v1", "max_completion_tokens"),
        ("mistral", "MISTRAL_API_KEY", "https://api.mistral.ai/v1", "max_tokens"),
        ("xai", "XAI_API_KEY", "https://api.x.ai/v1", "max_completion_tokens"),
    ],
)
def test_each_host_has_its_address_its_key_and_its_cap(
    provider: str, key: str, base_url: str, cap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert teachers.build(f"{provider}:m").base_url == base_url

    async def opened() -> None:
        async with make_teacher(provider):
            pass

    with pytest.raises(AccountError, match=f"{key} is not set; teacher '{provider}' reads it"):
        asyncio.run(opened())
    monkeypatch.setenv(key, "k-of-mine")
    (reply,), server = ask(provider, Scripted(completion()))
    assert isinstance(reply, Reply)
    assert (server.paths, server.headers[0]["authorization"]) == (["/chat/completions"], "Bearer k-of-mine")
    assert (server.requests[0]["messages"], server.requests[0][cap]) == (TURNS, 100)


GEMINI_USAGE = {"prompt_tokens": 12, "completion_tokens": 9, "total_tokens": 1021}


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        ("gemini-3-pro", None, {"include_thoughts": True}),
        ("gemini-3-pro", "low", {"include_thoughts": True, "thinking_level": "low"}),
        ("gemini-2.5-flash", "high", {"include_thoughts": True, "thinking_budget": 24_576}),
        ("gemini-2.5-flash", "none", {"include_thoughts": False, "thinking_budget": 0}),
        ("gemini-2.0-flash", None, None),
    ],
)
def test_gemini_is_asked_for_its_thoughts(model: str, effort: str | None, config: dict[str, Any] | None) -> None:
    body = make_teacher("gemini", model).body(Request(ASKED, 100, effort=effort))
    assert body.get("extra_body", {}).get("google", {}).get("thinking_config") == config
    assert "reasoning_effort" not in body


def test_gemini_takes_no_other_effort() -> None:
    with pytest.raises(UsageError, match="--effort xhigh: gemini takes none, minimal, low, medium, high"):
        make_teacher("gemini", "gemini-3-pro").body(Request(ASKED, 100, effort="xhigh"))


def test_geminis_thoughts_are_a_summary_and_billed_beside_the_answer() -> None:
    body = {**completion("<thought>**Adding**\n2+2=4.\n</thought>\n4"), "model": "gemini-3-pro", "usage": GEMINI_USAGE}
    (reply,), _ = ask("gemini", Scripted(body), "gemini-3-pro")
    assert isinstance(reply, Reply)
    assert (reply.text, reply.reasoning, reply.reasoning_kind) == ("4", "**Adding**\n2+2=4.", "summary")
    assert reply.usage == Usage(input_tokens=12, output_tokens=1009, reasoning_tokens=1000)
    (silent,), _ = ask("gemini", Scripted({**completion("4"), "usage": GEMINI_USAGE}), "gemini-3-pro")
    assert isinstance(silent, Reply)
    assert (silent.reasoning_kind, silent.usage.output_tokens) == ("omitted", 1009)


def test_geminis_minute_limit_is_waited_for() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "21s"}]
    words = "You exceeded your current quota, please check your plan and billing details. Please retry in 21s."
    error = {"error": {"code": 429, "message": words, "status": "RESOURCE_EXHAUSTED", "details": details}}
    (failure,), _ = ask("gemini", Scripted([error], 429))
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.wait_s, failure.push_back) == ("retry", 21.0, "quota")


def test_xais_reasoning_is_billed_beside_the_answer_and_its_cost_is_its_own_word() -> None:
    usage = {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 1041, "cost_in_usd_ticks": 37_756_000,
             "completion_tokens_details": {"reasoning_tokens": 1000}}  # fmt: skip
    (reply,), _ = ask("xai", Scripted({**completion("4", reasoning_content="2+2=4"), "usage": usage}), "grok-5")
    assert isinstance(reply, Reply)
    assert (reply.usage.output_tokens, reply.usage.reasoning_tokens, reply.reasoning) == (1009, 1000, "2+2=4")
    assert str(Prices("xai", "grok-5").charge(reply)) == "0.0037756000"


def test_magistrals_trace_is_a_part_and_its_length_has_a_name_of_its_own() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "2+2"}, {"type": "text", "text": "=4"}]},
        {"type": "text", "text": "4"},
    ]
    (reply,), _ = ask("mistral", Scripted(completion(parts, "model_length")))  # type: ignore[arg-type]
    assert isinstance(reply, Reply)
    assert (reply.text, reply.reasoning, reply.stop_reason) == ("4", "2+2=4", "length")
    (failure,), _ = ask("mistral", Scripted({"object": "error", "message": "Requests rate limit exceeded"}, 429))
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.push_back) == ("retry", "quota")


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("together", completion("4", "eos", reasoning="2+2=4")),
        ("together", completion("<think>\n2+2=4\n</think>\n\n4", "eos")),
        ("fireworks", completion("4", reasoning_content="2+2=4")),
        ("groq", completion("4", reasoning="2+2=4")),
        ("groq", completion("<think>2+2=4</think>4")),
    ],
)
def test_hosts_of_open_models_show_the_chain(provider: str, body: dict[str, Any]) -> None:
    (reply,), _ = ask(provider, Scripted(body))
    assert isinstance(reply, Reply)
    assert (reply.text, reply.reasoning, reply.reasoning_kind, reply.stop_reason) == ("4", "2+2=4", "raw", "stop")


def test_requests_a_day_are_not_taken_for_requests_a_minute() -> None:
    headers = {"x-ratelimit-limit-requests": "14400", "x-ratelimit-remaining-requests": "14370",
               "x-ratelimit-reset-requests": "2m59.56s", "x-ratelimit-limit-tokens": "18000",
               "x-ratelimit-remaining-tokens": "17997", "x-ratelimit-reset-tokens": "7.66ms"}  # fmt: skip
    (reply,), _ = ask("groq", Scripted(completion(), headers=headers))
    assert isinstance(reply, Reply)
    assert reply.limits is not None
    assert reply.limits.requests is None
    assert reply.limits.tokens is not None
    assert reply.limits.tokens.per_minute == 18_000


def test_mistrals_limits_are_read() -> None:
    headers = {"x-ratelimit-limit-req-minute": "360", "x-ratelimit-remaining-req-minute": "359",
               "x-ratelimit-limit-tokens-minute": "500000", "x-ratelimit-remaining-tokens-minute": "499000",
               "x-ratelimit-limit-tokens-month": "1000000000"}  # fmt: skip
    (reply,), _ = ask("mistral", Scripted(completion(), headers=headers))
    assert isinstance(reply, Reply)
    assert reply.limits is not None
    assert reply.limits.requests is not None
    assert reply.limits.tokens is not None
    assert (reply.limits.requests.per_minute, reply.limits.tokens.per_minute) == (360, 500_000)


# Azure


def test_azure_is_asked_by_deployment_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k-of-mine")
    for version in ("", "2026-01-01"):
        monkeypatch.setenv("OPENAI_API_VERSION", version)
        (reply, again), server = ask("azure", Scripted(completion()), "my-gpt", times=2)
        assert isinstance(reply, Reply)
        assert isinstance(again, Reply)
        expected = f"/openai/deployments/my-gpt/chat/completions?api-version={version or '2025-04-01-preview'}"
        assert server.paths == [expected] * 2
        assert [headers["api-key"] for headers in server.headers] == ["k-of-mine"] * 2
        assert server.requests[0]["max_completion_tokens"] == 100


def test_azures_newer_dialect_needs_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k-of-mine")
    _, server = ask("azure", Scripted(completion()), "my-gpt", "/openai/v1")
    assert (server.paths, server.headers[0]["authorization"]) == (
        ["/openai/v1/chat/completions"],
        "Bearer k-of-mine",
    )


def test_azure_says_which_address_it_lacks_and_takes_it_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="azure: expected --base-url https://RESOURCE"):
        teachers.build("azure:my-gpt")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com/")
    assert teachers.build("azure:my-gpt").base_url == "https://mine.openai.azure.com"


def test_azures_content_filter_concerns_one_prompt() -> None:
    error = {"error": {"code": "content_filter", "message": "The response was filtered", "status": 400,
                       "innererror": {"code": "ResponsibleAIPolicyViolation"}}}  # fmt: skip
    (failure,), _ = ask("azure", Scripted(error, 400))
    assert isinstance(failure, Failure)
    assert failure.kind == "row"


# Claude elsewhere

CLAUDE = message({"type": "thinking", "thinking": "2+2=4", "signature": "s"}, {"type": "text", "text": "4"})


def test_claude_at_bedrock_stands_in_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "k-of-mine")
    model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    (reply, again), server = ask("bedrock", Scripted(CLAUDE), model, times=2, cap=30_000)
    assert isinstance(reply, Reply)
    assert isinstance(again, Reply)
    assert (reply.text, reply.reasoning, reply.reasoning_kind, reply.usage.output_tokens) == (
        "4",
        "2+2=4",
        "summary",
        5,
    )
    assert server.paths == [f"/model/{model}/invoke"] * 2
    assert [headers["authorization"] for headers in server.headers] == ["Bearer k-of-mine"] * 2
    body = server.requests[0]
    assert (body["anthropic_version"], "model" in body, "stream" in body) == ("bedrock-2023-05-31", False, False)
    assert body["messages"] == TURNS[1:]


def test_a_request_to_bedrock_is_signed_with_aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("botocore", reason="the extra bedrock is not installed")
    for name, value in {"ACCESS_KEY_ID": "AKIDEXAMPLE", "SECRET_ACCESS_KEY": "x" * 40, "REGION": "eu-west-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    (reply, _), server = ask("bedrock", Scripted(CLAUDE), "anthropic.claude-opus-5-v1:0", times=2)
    assert isinstance(reply, Reply)
    signatures = [headers["authorization"] for headers in server.headers]
    assert all(one.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") for one in signatures)
    assert all("/eu-west-1/bedrock/aws4_request" in one for one in signatures)


def test_bedrock_and_vertex_know_claude_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    monkeypatch.setenv("ANTHROPIC_VERTEX_PROJECT_ID", "p")
    budget = {"type": "enabled", "budget_tokens": 3000, "display": "summarized"}
    adaptive = {"type": "adaptive", "display": "summarized"}
    for provider, model, thinking in (
        ("bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0", budget),
        ("bedrock", "global.anthropic.claude-opus-4-8", adaptive),
        ("vertex", "claude-haiku-4-5@20251001", budget),
        ("vertex", "claude-sonnet-5-5@20260901", adaptive),
    ):
        body = make_teacher(provider, model).body(Request(ASKED, 4000))
        assert (body["model"], body["thinking"]) == (model, thinking), "the model is part of the request key"
    assert teachers.build("bedrock:m").base_url == "https://bedrock-runtime.us-west-2.amazonaws.com"
    assert teachers.build("vertex:m").base_url == "https://aiplatform.googleapis.com/v1"


def test_claude_at_vertex_stands_in_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ANTHROPIC_VERTEX_PROJECT_ID": "my-project", "CLOUD_ML_REGION": "europe-west1",
                        "CLOUDSDK_AUTH_ACCESS_TOKEN": "t-of-mine"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    (reply, _), server = ask("vertex", Scripted(CLAUDE), "claude-sonnet-4-5@20250929", "/v1", times=2, cap=30_000)
    assert isinstance(reply, Reply)
    assert (reply.text, reply.reasoning_kind) == ("4", "summary")
    place = "/v1/projects/my-project/locations/europe-west1/publishers/anthropic/models"
    assert server.paths == [f"{place}/claude-sonnet-4-5@20250929:rawPredict"] * 2
    assert [headers["authorization"] for headers in server.headers] == ["Bearer t-of-mine"] * 2
    assert (server.requests[0]["anthropic_version"], "model" in server.requests[0]) == ("vertex-2023-10-16", False)
    assert teachers.build("vertex:m").base_url == "https://europe-west1-aiplatform.googleapis.com/v1"


@pytest.mark.parametrize(
    ("provider", "words"),
    [("bedrock", "expected the region in AWS_REGION"), ("vertex", "expected the project in ANTHROPIC_VERTEX_PROJECT")],
)
def test_what_claude_elsewhere_lacks_is_named(provider: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        teachers.build(f"{provider}:claude-sonnet-5")


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("gemini", "gemini-2.5-pro"),
        ("groq", "openai/gpt-oss-120b"),
        ("mistral", "magistral-medium-latest"),
        ("xai", "grok-4"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("fireworks", "accounts/fireworks/models/deepseek-v3p2"),
        ("azure", "gpt-4o"),
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("vertex", "claude-sonnet-4-5@20250929"),
        ("openai_responses", "gpt-4o"),
    ],
)
def test_a_price_is_known_where_genai_prices_has_one(provider: str, model: str) -> None:
    cost = Prices(provider, model).cost(Usage(input_tokens=1000, output_tokens=1000))
    assert cost is not None
    assert cost > 0


# What a server wants otherwise


def streamed(*deltas: dict[str, Any], usage: dict[str, Any] | None = None) -> bytes:
    chunks: list[dict[str, Any]] = [{"id": "c", "model": "served", "choices": [{"index": 0, "delta": one}]}
                                    for one in deltas]  # fmt: skip
    chunks += [{"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None}]
    chunks += [{"id": "c", "choices": [], "usage": usage or {"prompt_tokens": 7, "completion_tokens": 5}}]
    return b": keep-alive\n\n" + b"".join(f"data: {json.dumps(one)}\n\n".encode() for one in chunks) + b"data: [DONE]\n"


ONLY_STREAMS = [
    "This model only support stream mode, please enable the stream parameter to access the model.",
    "stream must be set to true for this model",
    "Non-streaming requests are not supported",
    "Streaming is required for operations that may take longer than 10 minutes",
    "This endpoint requires streaming",
]


@pytest.mark.parametrize("words", ONLY_STREAMS)
def test_a_server_that_only_streams_is_asked_for_a_stream_from_then_on(words: str) -> None:
    answer = streamed({"role": "assistant", "content": ""}, {"reasoning_content": "2+2"}, {"reasoning_content": "=4"},
                      {"content": "It is "}, {"content": "4."})  # fmt: skip

    def server(number: int, body: dict[str, Any]) -> Scripted:
        if body.get("stream"):
            return Scripted(answer, headers=EVENTS)
        return Scripted({"error": {"message": words, "code": "invalid_parameter_error"}}, 400)

    outcomes, seen = ask("openai", server, times=3)
    assert [bool(body.get("stream")) for body in seen.requests] == [False, True, True, True]
    for reply in outcomes:
        assert isinstance(reply, Reply)
        assert (reply.text, reply.reasoning, reply.stop_reason) == ("It is 4.", "2+2=4", "stop")
        assert (reply.usage, reply.served_model) == (Usage(input_tokens=7, output_tokens=5), "served")
        assert make_teacher("openai").read(reply.raw).text == reply.text, "what is stored is a whole completion"


def test_a_stream_of_parts_is_read_like_the_whole() -> None:
    answer = streamed({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "2+2"}]}]},
                      {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "=4"}]}]},
                      {"content": "It is "}, {"content": "4."})  # fmt: skip
    (reply,), _ = ask("mistral", Scripted(answer, headers=EVENTS))
    assert isinstance(reply, Reply), "a stream that nobody asked for is read too"
    assert (reply.text, reply.reasoning) == ("It is 4.", "2+2=4")


@pytest.mark.parametrize(
    "body",
    [
        streamed({"content": "It is"}).replace(b'"finish_reason": "stop"', b'"x": 1').replace(b"data: [DONE]\n", b""),
        b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n',
        b"data: [DONE]\n\n",
    ],
)
def test_a_stream_that_breaks_off_is_asked_again(body: bytes) -> None:
    (failure,), _ = ask("openai", Scripted(body, headers=EVENTS))
    assert isinstance(failure, Failure)
    assert failure.kind == "retry"


UNSUPPORTED = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
)


@pytest.mark.parametrize(
    ("provider", "refused", "wanted", "words"),
    [
        ("openai", "max_tokens", "max_completion_tokens", UNSUPPORTED),
        ("openai", "max_tokens", "max_completion_tokens", "Unrecognized request argument supplied: max_tokens"),
        ("groq", "max_completion_tokens", "max_tokens", "max_completion_tokens: Extra inputs are not permitted"),
    ],
)
def test_the_cap_is_given_under_the_name_that_a_server_takes(
    provider: str, refused: str, wanted: str, words: str
) -> None:
    def server(number: int, body: dict[str, Any]) -> Scripted:
        return Scripted({"error": {"message": words}}, 400) if refused in body else Scripted(completion())

    outcomes, seen = ask(provider, server, times=2)
    assert all(isinstance(one, Reply) for one in outcomes)
    assert [(refused in body, body.get(wanted)) for body in seen.requests] == [(True, None), (False, 100), (False, 100)]


@pytest.mark.parametrize(
    "words",
    [
        "max_tokens is too large: 100. This model supports at most 50 completion tokens",
        "stream of consciousness is refused by our content policy",
        "messages: unknown field stream_id",
    ],
)
def test_other_refusals_are_not_taken_for_a_wish(words: str) -> None:
    (failure,), seen = ask("openai", Scripted({"error": {"message": words}}, 400))
    assert isinstance(failure, Failure)
    assert (failure.kind, len(seen.requests)) == ("row", 1)


def test_a_server_that_wants_both_otherwise_gets_both_and_one_that_wants_neither_is_not_asked_for_ever() -> None:
    def server(number: int, body: dict[str, Any]) -> Scripted:
        if "max_tokens" in body:
            return Scripted({"error": {"message": UNSUPPORTED}}, 400)
        if not body.get("stream"):
            return Scripted({"error": {"message": ONLY_STREAMS[0]}}, 400)
        return Scripted(streamed({"content": "4"}), headers=EVENTS)

    (reply,), seen = ask("openai", server)
    assert isinstance(reply, Reply)
    assert (reply.text, len(seen.requests)) == ("4", 3)
    (failure,), seen = ask("openai", Scripted({"error": {"message": f"{UNSUPPORTED} {ONLY_STREAMS[0]}"}}, 400))
    assert isinstance(failure, Failure)
    assert len(seen.requests) == 3
