"""One table of what providers' errors mean, asked of the real SDKs over HTTP: online, in a stream, and in a batch."""

import asyncio
import builtins
import importlib
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web

from cotdistill.providers.anthropic_batch import AnthropicBatches
from cotdistill.providers.batch_api import Batches
from cotdistill.providers.error_body import problem_in
from cotdistill.providers.errors import failure_of, imported
from cotdistill.providers.openai_batch import OpenAIBatches
from cotdistill.providers.status_error import StatusError
from cotdistill.providers.types import Failure, Request
from cotdistill.records import Message
from cotdistill.teachers.anthropic import MOST_UNSTREAMED
from cotdistill.teachers.anthropic import Teacher as Anthropic
from cotdistill.teachers.openai import Teacher as OpenAI
from tests.batch_world import Handler, world
from tests.scripted_server import Scripted, serving

DAY_S = 86_400


class Row(NamedTuple):
    """An error as the provider sends it, and what it means for the run."""

    name: str
    status: int
    body: Any
    kind: str
    push_back: str | None = None
    wait_s: float | None = None
    headers: dict[str, str] = {}  # noqa: RUF012
    words: str = ""


def openai(code: str | None, message: str = "words", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code, **more}}


def anthropic(kind: str, message: str = "words", **more: Any) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "req_1"}


def google(code: int, status: str, message: str, *details: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"error": {"code": code, "message": message, "status": status, "details": list(details)}}]


def quota_failure(*ids: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": one} for one in ids]}


RETRY_IN_2_S = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2s"}
EXCEEDED = "You exceeded your current quota, please check your plan and billing details."
PAGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Cloudflare</body></html>"

CHAT = (
    # OpenAI
    Row("openai bad key", 401, openai("invalid_api_key"), "account", words="refuses the key"),
    Row("openai spent", 429, openai("insufficient_quota", EXCEEDED, type="insufficient_quota"), "account", words="spent"),
    Row("openai hard limit", 400, openai("billing_hard_limit_reached"), "account", words="spent"),
    Row("openai not paid", 429, openai("billing_not_active"), "account", words="spent"),
    Row("openai rate", 429, openai("rate_limit_exceeded"), "retry", "quota", 7.0, {"retry-after": "7"}),
    Row("openai flex", 429, openai("resource_unavailable"), "retry", "capacity"),
    Row("openai model", 404, openai("model_not_found"), "account", words="--teacher"),
    Row("openai model as a 400", 400, openai("model_not_found"), "account"),
    Row("openai country", 403, openai("unsupported_country_region_territory"), "account"),
    Row("openai policy", 400, openai("content_policy_violation"), "row", words="content policy"),
    Row("openai prompt flagged", 400, openai("invalid_prompt"), "row", words="content policy"),
    Row("openai too long", 400, openai("context_length_exceeded"), "row"),
    Row("openai bad parameter", 400, openai("unsupported_parameter"), "row"),
    Row("openai broken", 500, openai(None, type="server_error"), "retry"),
    Row("openai says retry", 400, openai(None), "retry", headers={"x-should-retry": "true"}),
    Row("openai says give up", 500, openai(None, type="server_error"), "row", headers={"x-should-retry": "false"}),
    # Words in a message mean nothing: they may be the prompt's.
    Row("prompt talks of balance", 400, openai(None, "bad prompt: 'Why insufficient balance or insufficient_quota?'"), "row"),
    Row("prompt talks of keys", 400, openai(None, "echo: API key not valid. Please pass a valid API key. Why?"), "row"),
    Row("prompt talks of policy", 500, openai(None, "echo: content_filter invalid_prompt"), "retry"),
    Row("prompt talks of overload", 429, openai(None, "echo: overloaded, at capacity"), "retry", "quota"),
    # Azure
    Row("azure filter", 400, openai("content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}), "row"),
    Row("azure deployment", 404, {"error": {"code": "DeploymentNotFound", "message": "words"}}, "account", words="--teacher"),
    Row("azure key", 401, {"statusCode": 401, "message": "Access denied due to invalid subscription key"}, "account"),
    Row("azure rate", 429, {"error": {"code": "RateLimitReached", "message": "words"}}, "retry", "quota"),
    Row("azure full", 503, {"error": {"code": "NoCapacity", "message": "words"}}, "retry", "capacity"),
    # Google: Gemini and Vertex
    Row("gemini minute", 429, google(429, "RESOURCE_EXHAUSTED", EXCEEDED, quota_failure("RequestsPerMinute"), RETRY_IN_2_S), "retry", "quota", 2.0),
    Row("gemini minute, no details", 429, google(429, "RESOURCE_EXHAUSTED", EXCEEDED), "retry", "quota"),
    Row("gemini day", 429, google(429, "RESOURCE_EXHAUSTED", EXCEEDED, quota_failure("RequestsPerDay-FreeTier"), RETRY_IN_2_S), "retry", "quota", DAY_S, words="limit of a day"),
    Row("gemini bad key", 400, google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."), "account", words="400: invalid_argument API key not valid"),
    Row("gemini bad key by code", 400, google(400, "INVALID_ARGUMENT", "words", {"reason": "API_KEY_INVALID"}), "account"),
    Row("gemini bad prompt", 400, google(400, "INVALID_ARGUMENT", "words"), "row"),
    Row("gemini no billing", 403, google(403, "PERMISSION_DENIED", "words", {"reason": "BILLING_DISABLED"}), "account", words="spent"),
    Row("gemini overload", 503, google(503, "UNAVAILABLE", "words"), "retry", "capacity"),
    Row("vertex model", 404, google(404, "NOT_FOUND", "words"), "account"),
    Row("google cancelled", 499, google(499, "CANCELLED", "words"), "retry"),
    # Bedrock, with its code in a header
    Row("bedrock rate", 429, {"message": "words"}, "retry", "quota", headers={"x-amzn-ErrorType": "ThrottlingException:http://x"}),
    Row("bedrock key", 403, {"message": "words"}, "account", headers={"x-amzn-ErrorType": "UnrecognizedClientException"}),
    Row("bedrock not ready", 429, {"__type": "com.amazon#ModelNotReadyException", "message": "words"}, "retry", "capacity"),
    Row("bedrock model failed", 424, {"message": "words"}, "retry"),
    Row("bedrock model", 400, {"message": "The provided model identifier is invalid."}, "account"),
    # OpenRouter
    Row("openrouter credits", 402, {"error": {"code": 402, "message": "words"}}, "account", words="spent"),
    Row("openrouter moderated", 403, {"error": {"code": 403, "message": "words", "metadata": {"reasons": ["violence"]}}}, "row", words="content policy"),
    Row("openrouter day", 429, {"error": {"code": 429, "message": "Rate limit exceeded: free-models-per-day. Add credits"}}, "retry", "quota", DAY_S),
    Row("openrouter behind", 502, {"error": {"code": 502, "message": "words", "metadata": {"raw": "upstream"}}}, "retry", words="words upstream"),
    Row("openrouter model", 400, {"error": {"code": 400, "message": "a/b is not a valid model ID"}}, "account"),
    # Others
    Row("deepseek spent", 402, openai("invalid_request_error", "Insufficient Balance"), "account", words="spent"),
    Row("deepseek model", 400, openai("invalid_request_error", "Model Not Exist"), "account"),
    Row("mistral rate", 429, {"object": "error", "message": "words", "type": "rate_limited", "code": "1300"}, "retry", "quota"),
    Row("mistral full", 429, {"object": "error", "message": "Service tier capacity exceeded for this model.", "type": "invalid_request_error", "code": "3505"}, "retry", "capacity"),
    Row("mistral model", 400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"}, "account"),
    Row("mistral body", 422, {"detail": [{"loc": ["body"], "msg": "Field required"}]}, "row", words="Field required"),
    Row("groq flex", 498, openai("flex_capacity_exceeded"), "retry", "capacity"),
    Row("groq never fits", 413, openai("rate_limit_exceeded", type="tokens"), "row"),
    Row("groq retired", 400, openai("model_decommissioned"), "account"),
    Row("xai spent", 429, {"code": "Some resource has been exhausted", "error": "Your team 1-2 has either used all available credits or reached its monthly spending limit. To go on, buy."}, "account", words="spent"),
    Row("xai blocked", 403, {"code": "personal-team-blocked:spending-limit", "error": "words"}, "account", words="spent"),
    Row("xai bad key", 400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***. You can obtain an API key from https://console.x.ai."}, "account", words="refuses the key"),
    Row("together model", 400, openai("model_not_available"), "account"),
    Row("fireworks model", 404, {"error": {"object": "error", "code": "NOT_FOUND", "message": "words"}}, "account"),
    Row("moonshot spent", 429, {"error": {"type": "exceeded_current_quota_error", "message": "words"}}, "account"),
    Row("moonshot full", 429, {"error": {"type": "engine_overloaded_error", "message": "words"}}, "retry", "capacity"),
    Row("vllm model", 404, {"object": "error", "message": "words", "type": "NotFoundError", "code": 404}, "account"),
    Row("vllm too long", 400, {"object": "error", "message": "words", "type": "BadRequestError", "code": 400}, "row"),
    Row("ollama model", 404, {"error": {"message": "model 'x' not found", "type": "api_error"}}, "account"),
    # Those whose errors have sentences or numbers instead of codes
    Row("cohere trial minute", 429, {"message": "You are using a Trial key, which is limited to 20 API calls / minute. You can go on."}, "retry", "quota"),
    Row("cohere trial month", 429, {"message": "You are using a Trial key, which is limited to 1000 API calls / month. You can go on."}, "account", words="spent"),
    Row("ollama week", 429, {"error": "you've reached your weekly usage limit, please upgrade to continue"}, "account", words="spent"),
    Row("ollama week with a name", 429, {"error": "you (ann) have reached your weekly usage limit, upgrade for higher limits: https://x"}, "account", words="spent"),
    Row("gemini spending cap", 429, google(429, "RESOURCE_EXHAUSTED", "Your project has exceeded its monthly spending cap. Go to AI Studio."), "account", words="spent"),
    Row("prompt talks of a cap", 429, google(429, "RESOURCE_EXHAUSTED", "echo: Your project has exceeded its monthly spending cap."), "retry", "quota"),
    Row("ark paused", 429, openai("SetLimitExceeded", type="TooManyRequests"), "account", words="spent"),
    Row("ark overdue", 403, openai("AccountOverdueError", type="Forbidden"), "account", words="spent"),
    Row("ark sensitive", 400, openai("InputTextSensitiveContentDetected", type="BadRequest"), "row", words="content policy"),
    Row("zhipu plan is over", 429, {"error": {"code": "1309", "message": "words"}}, "account", words="spent"),
    Row("zhipu model", 400, {"error": {"code": "1211", "message": "words"}}, "account", words="--teacher"),
    Row("xai safety", 403, {"code": "The caller does not have permission to execute the specified operation", "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}, "row", words="content policy"),
    Row("litellm model", 400, {"error": {"code": "400", "type": "None", "message": "/chat/completions: Invalid model name passed in model=x. Call `/v1/models` to view available models for your key."}}, "account", words="--teacher"),
    Row("siliconflow model", 400, {"code": 20012, "message": "Model does not exist. Please check it carefully.", "data": None}, "account", words="--teacher"),
    Row("hugging face model", 400, openai("model_not_supported"), "account", words="--teacher"),
    Row("bedrock day", 429, {"message": "Too many tokens per day, please wait before trying again."}, "retry", "quota", DAY_S, {"x-amzn-ErrorType": "ThrottlingException"}, "limit of a day"),
    Row("cerebras second", 429, {"message": "Requests per second limit exceeded - too many requests sent.", "code": "request_quota_exceeded"}, "retry", "quota"),
    Row("cerebras day", 429, {"message": "Tokens per day limit exceeded - too many tokens processed.", "code": "token_quota_exceeded"}, "retry", "quota", DAY_S, words="limit of a day"),
    Row("cloudflare day", 429, {"errors": [{"message": "AiError: you have used up your daily free allocation of 10,000 neurons, please upgrade", "code": 4006}], "success": False}, "retry", "quota", DAY_S, words="limit of a day"),
    Row("litellm expired key", 400, openai("expired_key"), "account", words="refuses the key"),
    Row("api gateway's plan is used up", 429, {"message": "Limit Exceeded"}, "account", headers={"x-amzn-ErrorType": "LimitExceededException"}, words="spent"),
    Row("lm studio has no room", 400, {"error": "Failed to load model \"m\". Error: insufficient system resources."}, "account", words="--teacher"),
    # Statuses alone
    *(Row(f"status {status}", status, openai(None), "retry") for status in (408, 409, 424, 425, 444, 460, 499, 500, 502, 504, 520, 524)),
    *(Row(f"status {status}", status, openai(None), "row") for status in (400, 413, 422, 451, 501, 505)),
    Row("status 405", 405, openai(None), "account", words="--base-url"),
    Row("empty", 500, b"", "retry"),
    Row("plain words", 500, b"upstream connect error", "retry", words="upstream connect error"),
)  # fmt: skip

MESSAGES = (
    Row("anthropic bad key", 401, anthropic("authentication_error"), "account", words="refuses the key"),
    Row("anthropic no permission", 403, anthropic("permission_error"), "account"),
    Row("anthropic billing", 402, anthropic("billing_error"), "account", words="spent"),
    Row("anthropic credit", 400, anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."), "account", words="spent"),
    Row("anthropic limit of one's own", 400, anthropic("invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."), "account", words="spent"),
    Row("anthropic month", 429, anthropic("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}), "account", words="spent"),
    Row("anthropic contract", 429, anthropic("rate_limit_error", details={"error_code": "contract_spend_limit_reached"}), "account"),
    Row("anthropic ramp", 429, anthropic("rate_limit_error", details={"error_code": "ramp_limit_exceeded"}), "retry", "quota"),
    Row("anthropic rate", 429, anthropic("rate_limit_error"), "retry", "quota"),
    Row("anthropic model", 404, anthropic("not_found_error"), "account", words="--teacher"),
    Row("anthropic too large", 413, anthropic("request_too_large"), "row"),
    Row("anthropic bad request", 400, anthropic("invalid_request_error"), "row"),
    Row("anthropic prompt talks of credit", 400, anthropic("invalid_request_error", "echo: Your credit balance is too low"), "row"),
    Row("anthropic broken", 500, anthropic("api_error"), "retry"),
    Row("anthropic late", 504, anthropic("timeout_error"), "retry"),
    Row("anthropic overload", 529, anthropic("overloaded_error"), "retry", "capacity"),
)  # fmt: skip

PAGES = (
    Row("firewall", 403, PAGE, "row", words="'Just a moment...'"),
    Row(
        "challenge of a firewall", 202, b"", "row", headers={"x-amzn-waf-action": "challenge"}, words="access is denied"
    ),
    Row("captcha of a firewall", 405, b"", "row", headers={"x-amzn-waf-action": "captcha"}, words="'AWS WAF: captcha'"),
    Row("login", 401, PAGE, "account", words="it wants a key or a login"),
    Row("login of a proxy", 407, PAGE, "account", words="HTTPS_PROXY"),
    Row("wrong path", 404, PAGE, "account", words="--base-url is wrong"),
    Row("gateway", 502, PAGE, "retry", words="a web page"),
    Row("busy", 503, PAGE, "retry", "capacity"),
    Row("crowded", 429, PAGE, "retry", "quota"),
    Row("page for an answer", 200, PAGE, "retry", words="a web page"),
)


async def online(kind: type[OpenAI] | type[Anthropic], row: Row, cap: int = 100) -> Failure:
    content_type = "text/html" if row.body == PAGE else "application/json"
    scripted = Scripted(row.body, row.status, {**row.headers, "content-type": content_type})
    request = Request((Message(role="user", content="2+2?"),), cap)
    async with (
        serving(lambda number, body: scripted) as server,
        kind(model="m", base_url=server.url + ("/v1" if kind is OpenAI else ""), timeout_s=5) as teacher,
    ):
        with pytest.raises(Exception) as caught:
            await teacher.ask(request, "k-0")
        return teacher.classify(caught.value)


async def in_stream(row: Row) -> Failure:
    """Under status 200, as an event in the middle of a message."""
    event = f"event: error\ndata: {json.dumps(row.body)}\n\n".encode()
    stream = row._replace(status=200, body=event, headers={})
    scripted = Scripted(stream.body, 200, {"content-type": "text/event-stream"})
    request = Request((Message(role="user", content="2+2?"),), MOST_UNSTREAMED + 1)
    async with (
        serving(lambda number, body: scripted) as server,
        Anthropic(model="m", base_url=server.url) as teacher,
    ):
        with pytest.raises(Exception) as caught:
            await teacher.ask(request, "k-0")
        return teacher.classify(caught.value)


async def in_batch(row: Row, path: Path, provider: str) -> Failure:
    """As the result of one request of a batch that ran."""
    if provider == "openai":
        body = row.body if not isinstance(row.body, bytes) else row.body.decode()
        line: dict[str, Any] = {
            "custom_id": "one",
            "response": {"status_code": row.status, "body": body},
            "error": None,
        }
    else:
        line = {"custom_id": "one", "result": {"type": "errored", "error": row.body}}
    batch: dict[str, Any] = {
        "id": "b",
        "object": "batch",
        "status": "completed",
        "output_file_id": None,
        "error_file_id": "f",
    }
    batch |= {"endpoint": "/v1/chat/completions", "completion_window": "24h", "created_at": 1, "input_file_id": "i"}

    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.endswith(("/content", "/results")):
            return web.Response(body=json.dumps(line).encode() + b"\n")
        return web.json_response(batch)

    async with world(path) as here:
        here.around = answer
        url = f"{here.url}/v1"
        batches: Batches = OpenAIBatches(url, url) if provider == "openai" else AnthropicBatches(here.url)
        async with batches:
            (item,) = [item async for item in batches.items("b")]
    assert item.failure is not None
    return item.failure


def check(row: Row, found: Failure, *, with_headers: bool = True) -> None:
    assert (found.kind, found.push_back) == (row.kind, row.push_back), found.message
    assert row.words in found.message
    assert not set("[{") & set(found.message.replace("[key]", "")), "words, not Python"
    if row.wait_s == DAY_S:
        assert found.wait_s is not None and 0 < found.wait_s <= DAY_S
    elif with_headers:
        assert found.wait_s == row.wait_s


def name_of(row: Any) -> str:
    return str(row.name) if isinstance(row, Row) else str(row)


@pytest.mark.parametrize(
    ("how", "row"),
    [
        *(("openai", row) for row in (*CHAT, *PAGES)),
        *(("anthropic", row) for row in (*MESSAGES, *PAGES)),
        *(("openai batch", row) for row in CHAT if not row.headers),
        *(("anthropic batch", row) for row in MESSAGES),
        *(("anthropic stream", row) for row in MESSAGES),
    ],
    ids=name_of,
)
def test_an_error_means_the_same_online_in_a_stream_and_in_a_batch(how: str, row: Row, tmp_path: Path) -> None:
    outcomes: dict[str, Callable[[], Any]] = {
        "openai": lambda: online(OpenAI, row),
        "anthropic": lambda: online(Anthropic, row),
        "openai batch": lambda: in_batch(row, tmp_path, "openai"),
        "anthropic batch": lambda: in_batch(row, tmp_path, "anthropic"),
        "anthropic stream": lambda: in_stream(row),
    }
    check(row, asyncio.run(outcomes[how]()))


@pytest.mark.parametrize(
    "row", [row for row in CHAT if isinstance(row.body, dict) and isinstance(row.body.get("error"), dict)], ids=name_of
)
def test_an_error_under_status_200_means_what_its_code_says(row: Row) -> None:
    """OpenRouter sends errors so, and gateways that have already begun to answer; with the status inside, or none."""
    if "code" not in row.body["error"] or row.body["error"]["code"] != row.status:
        row = row._replace(body={"error": {**row.body["error"], "status": row.status}})
    teacher = OpenAI(model="m", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(Exception) as caught:
        teacher.read(json.dumps(row.body).encode())
    found = teacher.classify(caught.value)
    if not row.headers:
        check(row, found)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "error", "message": "Invalid API key", "statusCode": 401},
        {"errors": [{"message": "Unauthorized", "extensions": {"code": "UNAUTHENTICATED"}}]},
    ],
    ids=["its status", "a list with extensions"],
)
def test_a_refused_key_under_status_200_is_found_where_a_gateway_says_it(body: dict[str, Any]) -> None:
    teacher = OpenAI(model="m", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(Exception) as caught:
        teacher.read(json.dumps(body).encode())
    found = teacher.classify(caught.value)
    assert (found.kind, "refuses the key" in found.message) == ("account", True)


def test_the_body_of_an_error_that_is_nested_too_deeply_is_text() -> None:
    body = b"[" * 200_000
    assert StatusError(500, "error", (), body).body == body.decode()


def test_a_reset_in_milliseconds_is_waited_for() -> None:
    reset = str(int((time.time() + 11 * 3600) * 1000))
    body = {"error": {"code": 429, "message": "Rate limit exceeded: free-models-per-day"}}
    for headers, more in (
        ({"x-ratelimit-reset": reset}, {}),
        ({}, {"metadata": {"headers": {"X-RateLimit-Reset": reset}}}),
    ):
        found = failure_of(429, problem_in({"error": {**body["error"], **more}}), headers)
        assert found.wait_s is not None and abs(found.wait_s - 11 * 3600) < 60


def test_a_module_that_another_thread_is_importing_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(builtins, "half", (begun.set, go_on.wait), raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "half_module.py").write_text("[one() for one in half]\nwhole = True\n")
    assert imported("half_module") is None, "what nobody imports is not imported for a look"
    with ThreadPoolExecutor(2) as pool:
        pool.submit(importlib.import_module, "half_module")
        begun.wait(10)
        looked = pool.submit(lambda: imported("half_module").whole)
        wait([looked], timeout=0.1)
        go_on.set()
        assert looked.result(10), "half of it has no such name yet"
