"""Keys and addresses: nothing that is written holds a key, and nothing secret goes to a server it is not meant for."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cotdistill import masking, teachers
from cotdistill.errors import AccountError, UsageError
from cotdistill.masking import masked, masked_bytes, masked_output
from cotdistill.providers.http import without_foreign_headers
from cotdistill.providers.keys import api_key, is_own_server, without_secrets
from cotdistill.providers.types import Request
from cotdistill.records import Message
from cotdistill.stages.generate import batch
from cotdistill.stages.generate.batch.calls import Pace
from tests import key_echo
from tests.background import in_background
from tests.batch_world import PROVIDERS, QUICK, Handler, world
from tests.key_echo import KEY, MODES, SPELLINGS, found_in
from tests.scripted_server import Scripted, completion, message, serving

both = pytest.mark.parametrize("provider", PROVIDERS)


@pytest.fixture(autouse=True)
def _no_secrets_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_secrets", {})


# Echoes


@pytest.mark.parametrize("mode", MODES)
def test_no_byte_that_is_written_holds_a_key_that_a_server_echoes(mode: str, tmp_path: Path) -> None:
    written = key_echo.run(MODES[mode], tmp_path)
    assert len(written) > 500, "the command ran"
    assert found_in(written) == []


def test_the_search_finds_a_key_in_every_spelling() -> None:
    for name, spell in SPELLINGS.items():
        assert found_in(f"before {spell(KEY)} after".encode()), name


def _with_echo(provider: str, place: str, line: bytes, key: str) -> bytes:
    """A line of a batch's results that holds the key."""
    if place == "no result":
        return f"{key} is no result".encode()
    found, error = json.loads(line), {"type": "invalid_request_error", "message": key}
    if provider == "openai" and place == "error":
        found["response"] = {"status_code": 400, "body": {"error": error}}
    elif provider == "openai":
        found["response"]["body"]["choices"][0]["message"]["content"] += key
    elif place == "error":
        found["result"] = {"type": "errored", "error": {"type": "error", "error": error}}
    else:
        found["result"]["message"]["content"][-1]["text"] += key
    return json.dumps(found).encode()


@both
@pytest.mark.parametrize("place", ["answer", "error", "no result", "batch refused"])
def test_no_byte_of_a_batch_holds_an_echoed_key(
    provider: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, KEY)
    spelled = [spell(KEY) for spell in SPELLINGS.values()]

    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if request.path.endswith(("/content", "/results")):
            assert isinstance(response, web.Response) and isinstance(response.body, bytes)
            each = enumerate(response.body.splitlines())
            lines = [_with_echo(provider, place, line, spelled[number % len(spelled)]) for number, line in each]
            return web.Response(body=b"\n".join(lines) + b"\n")
        if place == "batch refused" and request.method == "GET" and "batches/" in request.path:
            return web.json_response({"error": {"message": " ".join(spelled)}}, status=400)
        return response

    monkeypatch.setattr(batch, "PACE", Pace(**QUICK))
    with in_background(world(tmp_path)) as here:
        here.around = answer
        words = ["generate", str(here.questions(12)), "-o", str(tmp_path / "r.jsonl"), "--batch", "--verbose"]
        teacher = here.teacher(provider)
        words += ["--teacher", teacher["teacher"], "--base-url", teacher["base_url"]]
        words += ["--cache", str(tmp_path / "store.sqlite")]
        (tmp_path / "terminal.txt").write_text(key_echo.command(words))
    written = b"\n".join(key_echo.written(tmp_path))
    assert b"cotdistill" in written or b"responses" in written
    assert found_in(written) == []


def test_neither_filter_nor_report_holds_a_key_that_came_in_an_answer(tmp_path: Path) -> None:
    key_echo.run(MODES["answer"], tmp_path)
    for words in (
        ["filter", str(tmp_path / "r.jsonl"), "-o", str(tmp_path / "kept.jsonl")],
        ["report", str(tmp_path), "-o", str(tmp_path / "report.html")],
    ):
        (tmp_path / f"{words[0]}.txt").write_text(key_echo.command(words))
    assert (tmp_path / "report.html").stat().st_size > 1000
    assert found_in(b"\n".join(key_echo.written(tmp_path))) == []


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_json_stays_json_and_keeps_what_is_no_key(spelling: str) -> None:
    masking.add_secret(KEY)
    key = SPELLINGS[spelling](KEY)
    for raw in (f'{{"a":"one {key} two","b":[1]}}', f'{{"{key}":"one","a":"{key}","b":[1]}}'):
        clean = json.loads(masked_bytes(raw.encode()))
        assert clean["b"] == [1]
        assert found_in(json.dumps(clean).encode()) == []
    untouched = json.dumps({"text": "caf\u00e9 50% of \\frac{1}{2} \u200b is\n'%2d'", "sk": "sk-test"}).encode()
    assert masked_bytes(untouched) is untouched


def test_bytes_that_are_no_utf_8_stay_as_they_are_beside_a_key() -> None:
    masking.add_secret(KEY)
    assert masked_bytes(b"\xc3\x28 " + KEY.encode() + b" \xff") == b"\xc3\x28 [key] \xff"


def test_a_placeholder_that_serves_as_a_key_is_not_cut_out_of_answers() -> None:
    for word in ("EMPTY", "password", "none", "12345678", "0000000000000000000000", "xxxx-xxxx-xxxx-xxxx-xxxx"):
        masking.add_secret(word)
    text = "The set is EMPTY, not none; password 12345678, 0.00000000000000000000001, xxxx-xxxx-xxxx-xxxx-xxxx"
    assert masked(text) is text


def test_the_terminal_shows_no_password_of_a_url() -> None:
    shown = masked_output("ftp://bob:pw@host/x, bob:secret@host, https://h/v1?api-key=secret&n=1 and a: b@c")
    assert shown == "ftp://[password]@host/x, [password]@host, https://h/v1?api-key=[key]&n=1 and a: b@c"


# Addresses


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://bob:s3cret@host/v1", "holds a user name or password.*OPENAI_API_KEY"),
        ("http://s3cret@host/v1", "holds a user name or password"),
        ("http://host/v1?api-key=s3cret", "holds a query.*OPENAI_API_KEY.*azure"),
        ("http://host/v1#s3cret", "holds a query"),
        ("ftp://bob:s3cret@host/v1", "begins with http"),
        ("bob:s3cret@host/v1", "begins with http"),
        ("http://bob:s3cret@host:99999/v1", "host or port cannot be read"),
        ("http://host:port/v1", "host or port cannot be read"),
        ("http://[::1/v1", "host or port cannot be read"),
        ("http:///v1", "host or port cannot be read"),
        ("http://a..b/v1", "host or port cannot be read"),
        ("http://256.256.256.256/v1", "host or port cannot be read"),
        (f"http://{'a' * 300}/v1", "host or port cannot be read"),
        ("http://a b/v1", "host or port cannot be read"),
        ("http://%zz/v1", "host or port cannot be read"),
    ],
)
def test_an_address_that_cannot_be_right_is_refused_and_its_secret_not_shown(url: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        teachers.build("openai:m", url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000/v1",
        "http://[::1]:1/v1",
        "http://10.0.0.1",
        "https://ümläut.example/v1",
        "http://a_b.local:9",
    ],
)
def test_an_address_that_may_be_right_is_taken(url: str) -> None:
    assert teachers.build("openai:m", f"{url}/").base_url == url


@pytest.mark.parametrize(
    ("url", "own"),
    [
        *((f"http://{host}:8000/v1", True) for host in ("localhost", "127.0.0.1", "[::1]", "10.1.2.3", "[fd00::1]")),
        *((f"http://{host}/v1", True) for host in ("vllm", "gpu7.local", "teacher.internal", "192.168.0.9")),
        *((f"https://{host}/v1", False) for host in ("api.openai.com", "8.8.8.8", "[2606:4700::1111]")),
        *((name, False) for name in ("mock", "local")),
    ],
)
def test_a_server_of_ones_own_is_known_by_its_host(url: str, own: bool) -> None:
    assert is_own_server(url) == own


def test_an_address_is_shown_without_its_secrets() -> None:
    assert without_secrets("http://bob:pw@host:1/v1?key=x") == "http://…@host:1/v1?…"
    assert without_secrets("https://host/v1") == "https://host/v1"


@pytest.mark.parametrize("proxy", ["foo://bob:s3cret@host:1", "http://bob:s3cret@host:99999", "http://"])
def test_a_proxy_that_is_none_is_named_by_its_variable(
    proxy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)

    async def run() -> None:
        async with teachers.build("openai:m", "http://127.0.0.1:9/v1"):
            pass

    with pytest.raises(UsageError, match="HTTP_PROXY: not the URL of a proxy") as caught:
        asyncio.run(run())
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("sk-abc\ndef", "its character 7 of 10 is a line break"),
        ("sk-\u00e4bc", r"its character 4 of 6 is U\+00E4"),
        ("sk-abc def", "character 7 of 10 is a blank"),
        ("\u200bsk-abc", r"character 1 of 7 is U\+200B"),
    ],
)
def test_a_key_that_no_request_can_carry_is_refused_and_not_shown(
    key: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(AccountError, match=f"OPENAI_API_KEY: the key cannot be sent: .*{problem}") as caught:
        api_key("OPENAI_API_KEY", "openai", "https://api.openai.com/v1")
    assert "sk-" not in str(caught.value)


def test_a_token_that_the_sdk_found_by_itself_is_masked_like_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    token = "ya29.a0ARrdaM-9f8e7d6c5b4a"

    async def run() -> bytes:
        request = Request((Message(role="user", content="2+2?"),), 10)
        async with (
            serving(lambda number, asked: Scripted(completion(f"4 {token}"))) as server,
            teachers.build("openai:m", f"{server.url}/v1") as teacher,
        ):
            teacher._sender.client.api_key = token  # type: ignore[attr-defined]
            teacher._sender._connections = None  # type: ignore[attr-defined]
            return (await teacher.ask(request, "k-0")).raw

    assert token.encode() not in asyncio.run(run())


# What goes to whom

ENVIRONMENT = {
    "OPENAI_CUSTOM_HEADERS": "X-Team: s3cret",
    "OPENAI_ORG_ID": "s3cret",
    "OPENAI_PROJECT_ID": "s3cret",
    "ANTHROPIC_CUSTOM_HEADERS": "X-Team: s3cret",
}


@pytest.mark.parametrize("provider", ["openai", "openai_responses", "vllm", "anthropic"])
def test_headers_from_the_environment_do_not_go_to_another_server(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    async def run() -> list[dict[str, str]]:
        body = message({"type": "text", "text": "4"}) if provider == "anthropic" else completion()
        body = {"output": [], "usage": {"output_tokens": 1}} if provider == "openai_responses" else body
        request = Request(messages=(Message(role="user", content="2+2?"),), max_output_tokens=10)
        async with serving(lambda number, asked: Scripted(body)) as server:
            async with teachers.build(f"{provider}:m", f"{server.url}/v1") as teacher:
                await teacher.ask(request, "k-0")
                await teacher.ask(request, "k-1")
            return server.headers

    headers = asyncio.run(run())
    assert len(headers) == 2
    assert "s3cret" not in str(headers)


def test_headers_from_the_environment_go_to_the_provider_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    import anthropic
    import openai

    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for url in ("https://api.openai.com/v1", "https://eu.api.openai.com/v1"):
        client: Any = without_foreign_headers(openai.AsyncOpenAI(api_key="k", base_url=url), url)
        assert client.default_headers["X-Team"] == client.default_headers["OpenAI-Project"] == "s3cret"
    client = without_foreign_headers(anthropic.AsyncAnthropic(api_key="k"), "https://api.anthropic.com")
    assert client.default_headers["X-Team"] == "s3cret"


def test_results_that_are_said_to_lie_on_another_host_are_read_from_the_server_that_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway passes the provider's `results_url` on; the gateway's key must not go there."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setattr(batch, "PACE", Pace(**QUICK))

    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if request.method == "GET" and "/batches/" in request.path and not request.path.endswith("/results"):
            assert isinstance(response, web.Response) and isinstance(response.body, bytes)
            found = json.loads(response.body)
            if found["results_url"]:
                found["results_url"] = found["results_url"].replace(str(request.url.origin()), "http://127.0.0.2:9")
            return web.json_response(found)
        return response

    async def run() -> int:
        async with world(tmp_path) as here:
            here.around = answer
            manifest = await here.generate("anthropic", 5)
            return int(manifest.counts["responses"])

    assert asyncio.run(run()) == 5


def test_other_keys_of_the_environment_are_not_shown_and_leave_answers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_unsent", set())
    monkeypatch.setenv("HF_TOKEN", "hf_0Q7wX2eRt9YuIop4AsDfGh1JkLz")
    monkeypatch.setenv("A_TOKEN", "true")
    masking.add_unsent_secrets()
    text = "401 for hf_0Q7wX2eRt9YuIop4AsDfGh1JkLz, true"
    assert masked_output(text) == "401 for [key], true"
    assert masked(text) is text, "no teacher was sent it"
    masking.add_secret("hf_0Q7wX2eRt9YuIop4AsDfGh1JkLz")
    assert masked(text) == "401 for [key], true"


def test_a_key_that_repeats_itself_is_found_wherever_it_is_cut() -> None:
    key = "ab1-ab1-ab1-xy2-ab1-ab1-zz3-ab1-"
    masking.add_secret(key)
    least = max(masking.LEAST, len(key) // 3)
    for start in range(len(key) - least + 1):
        part = key[start : start + least]
        assert part not in masked(f"before {part} after"), part


@both
def test_results_behind_a_redirect_to_a_store_of_files_are_fetched_without_the_key(
    provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setattr(batch, "PACE", Pace(**QUICK))
    results: list[bytes] = []
    seen: list[str] = []

    async def run() -> int:
        async def hand_out(request: web.Request) -> web.Response:
            seen.append(f"{request.path_qs} {dict(request.headers)}")
            return web.Response(body=results[-1])

        files = web.Application()
        files.router.add_get("/{path:.*}", hand_out)
        runner = web.AppRunner(files, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()

        async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            if request.path.endswith(("/content", "/results")):
                assert isinstance(response, web.Response) and isinstance(response.body, bytes)
                results.append(response.body)
                raise web.HTTPFound(f"http://127.0.0.1:{runner.addresses[0][1]}/signed?by=us")
            return response

        try:
            async with world(tmp_path) as here:
                here.around = answer
                manifest = await here.generate(provider, 5)
                return int(manifest.counts["responses"])
        finally:
            await runner.cleanup()

    assert asyncio.run(run()) == 5
    assert len(seen) == 1 and seen[0].startswith("/signed?by=us")
    assert found_in(seen[0].encode()) == []
