"""Requests as they are sent without the SDK's client: a server must see the same, and its answers mean the same."""

import asyncio
import gzip
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import brotli
import pytest
import zstandard

from cotdistill.providers import http, http1
from cotdistill.providers.compression import LARGEST_REPLY, BrokenCompressionError, unpacked
from cotdistill.providers.types import Failure, Reply, Request
from cotdistill.records import Message
from cotdistill.teachers.anthropic import Teacher as Anthropic
from cotdistill.teachers.openai import Teacher as OpenAI
from tests.conftest import ROOT
from tests.scripted_server import Scripted, Server, completion, message, serving

Kind = type[OpenAI] | type[Anthropic]
Answer = Callable[[int, dict[str, Any]], Scripted]
both = pytest.mark.parametrize("kind", [OpenAI, Anthropic])


class Deaf(asyncio.Transport):
    """A transport to nowhere."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...


def body(kind: Kind, text: str) -> dict[str, Any]:
    return completion(text) if kind is OpenAI else message({"type": "text", "text": text})


async def ask(teacher: Any, number: int) -> Reply | Failure:
    request = Request((Message(role="user", content=f"Question {number}?"),), 100)
    try:
        reply: Reply = await teacher.ask(request, f"key-{number}")
    except Exception as error:
        failure: Failure = teacher.classify(error)
        return failure
    return reply


def asked(kind: Kind, answer: Answer, times: int, *, at_once: bool = False) -> tuple[list[Reply | Failure], Server]:
    async def run() -> tuple[list[Reply | Failure], Server]:
        async with serving(answer) as server:
            url = server.url + ("/v1" if kind is OpenAI else "")
            async with kind(model="m", base_url=url, timeout_s=5) as teacher:
                if at_once:
                    return await asyncio.gather(*(ask(teacher, number) for number in range(times))), server
                return [await ask(teacher, number) for number in range(times)], server

    return asyncio.run(run())


def text(outcome: Reply | Failure) -> str:
    assert isinstance(outcome, Reply), outcome
    return outcome.text


@both
def test_later_requests_send_what_the_first_one_does(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-0123456789abcdef")
    _, server = asked(kind, lambda number, sent: Scripted(body(kind, "4")), 3)
    own = {"idempotency-key", "content-length"}
    first, *later = [{name: one for name, one in sent.items() if name not in own} for sent in server.headers]
    assert later == [first, first], "key, version and agent among them"
    assert any("sk-test-0123456789abcdef" in value for value in first.values())
    assert [sent["idempotency-key"] for sent in server.headers] == ["key-0", "key-1", "key-2"]
    assert len({*server.paths}) == 1
    assert [sent["messages"][-1]["content"] for sent in server.requests] == [f"Question {n}?" for n in range(3)]


@both
def test_a_request_carries_what_the_sdk_would_send(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for what describes the SDK's client; and what comes through the SDK, such as a stream, is sent the same."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-0123456789abcdef")

    async def run() -> Server:
        async with serving(lambda number, sent: Scripted(body(kind, "4"))) as server:
            url = server.url + ("/v1" if kind is OpenAI else "")
            async with kind(model="m", base_url=url, timeout_s=5) as teacher:
                await ask(teacher, 0)
                await teacher._sender.stream(b"{}", "key-1", stream=False)
            return server

    server = asyncio.run(run())
    # The SDKs ask for whatever is installed; we for what costs little to undo.
    own = ("idempotency-key", "content-length", "user-agent", "connection", "accept-encoding")
    ours, sdk_s = [
        {name: value for name, value in sent.items() if name not in own and not name.startswith("x-stainless")}
        for sent in server.headers
    ]
    assert ours == sdk_s, "key and version among them"
    assert any("sk-test-0123456789abcdef" in value for value in ours.values())
    assert server.headers[0]["user-agent"].startswith("cotdistill/")
    assert len({*server.paths}) == 1


@both
def test_headers_that_the_sdk_takes_from_the_environment_are_repeated(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go to the provider's own server alone, so here loopback stands in for it. Of requests that start together
    the SDK makes one, and the others wait until it is made, not until it is answered."""
    from anthropic import AsyncAnthropic
    from openai import AsyncOpenAI

    sdk: Any = AsyncOpenAI if kind is OpenAI else AsyncAnthropic
    made, post = [], sdk.post

    async def counted(self: Any, path: str, **options: Any) -> Any:
        made.append(path)
        return await post(self, path, **options)

    monkeypatch.setattr(sdk, "post", counted)
    monkeypatch.setattr("cotdistill.providers.http.OWN_HOSTS", ("127.0.0.1",))
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Team: blue")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Team: blue")
    outcomes, server = asked(kind, lambda number, sent: Scripted(body(kind, "4"), delay_s=0.05), 20, at_once=True)
    assert [text(outcome) for outcome in outcomes] == ["4"] * 20
    assert [sent["x-team"] for sent in server.headers] == ["blue"] * 20
    assert len(made) == 1


def test_an_answer_of_a_plain_server_needs_no_sdk() -> None:
    """To import one takes longer than a thousand requests."""
    script = """
import asyncio, sys
from tests.test_sender import OpenAI, Anthropic, asked, body, Scripted
for kind in (OpenAI, Anthropic):
    (reply, refused), _ = asked(kind, lambda number, sent: Scripted(body(kind, "4"), status=(200, 429)[number]), 2)
    assert (reply.text, refused.push_back) == ("4", "quota"), (reply, refused)
print(*sorted({"openai", "anthropic", "httpx2"} & {*sys.modules}))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert run.stdout.split() == []


@both
def test_a_first_request_that_fails_keeps_no_other_from_being_sent(kind: Kind) -> None:
    def answer(number: int, sent: dict[str, Any]) -> Scripted:
        return Scripted(cut=True) if number == 0 else Scripted(body(kind, "4"))

    outcomes, _ = asked(kind, answer, 4, at_once=True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert len(failed) == 1
    assert failed[0].push_back == "lost"


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


@both
@pytest.mark.parametrize("name", PACKERS)
def test_a_compressed_answer_is_read_also_where_another_compression_was_asked_for(kind: Kind, name: str) -> None:
    packed = PACKERS[name](json.dumps(body(kind, "The answer is 4.")).encode())
    outcomes, _ = asked(kind, lambda number, sent: Scripted(packed, headers={"Content-Encoding": name}), 2)
    assert [text(outcome) for outcome in outcomes] == ["The answer is 4."] * 2


@pytest.mark.parametrize("name", PACKERS)
def test_a_compression_that_is_cut_short_or_undone_by_a_proxy_is_noticed(name: str) -> None:
    plain = b'{"text": "' + b"4" * 1_000 + b'"}'
    packed = PACKERS[name](plain)
    assert unpacked(packed, f"identity, {name.upper()}") == plain
    assert unpacked(plain, name) == plain, "a proxy has unpacked it, and still calls it packed"
    assert unpacked(PACKERS["gzip"](packed), f"{name}, gzip") == plain
    with pytest.raises(BrokenCompressionError, match="the reply's compression is broken"):
        unpacked(packed[:-3], name)
    assert unpacked(packed, "compress") is None


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_many_small_members_are_one_reply_wherever_they_end(name: str) -> None:
    numbers = [f"{number} ".encode() for number in range(2_000)]
    packed = b"".join(map(PACKERS[name], numbers))
    assert unpacked(packed, name) == b"".join(numbers)
    with pytest.raises(BrokenCompressionError, match="ends too early"):
        unpacked(packed[:-3], name)
    with pytest.raises(BrokenCompressionError, match="the reply's compression is broken"):
        unpacked(packed + b"\x00 and more", name)


@pytest.mark.parametrize("name", PACKERS)
def test_a_few_bytes_that_unpack_to_more_than_a_reply_can_be_are_refused_before_they_fill_the_memory(name: str) -> None:
    packer: dict[str, Callable[[bytes], bytes]] = {
        **PACKERS,
        "gzip": lambda plain: gzip.compress(plain, 1),
        "br": lambda plain: brotli.compress(plain, quality=1),
    }
    half = packer[name](b" " * (LARGEST_REPLY // 2 + 1))
    assert len(unpacked(half, name) or b"") == LARGEST_REPLY // 2 + 1, "one that is large, and no larger than allowed"
    whole = packer[name](b" " * (LARGEST_REPLY + 1)) if name == "br" else half + half
    with pytest.raises(BrokenCompressionError, match="the reply is larger than 256 MiB"):
        unpacked(whole, name)


@both
def test_a_reply_that_does_not_end_is_given_up(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "LARGEST_REPLY", 100_000)
    outcomes, _ = asked(kind, lambda number, sent: Scripted(b" " * 4_000_000 if number == 2 else body(kind, "4")), 3)
    assert [text(outcome) for outcome in outcomes if isinstance(outcome, Reply)] == ["4", "4"]
    assert [outcome.message for outcome in outcomes if isinstance(outcome, Failure)] == [
        "connection lost: the reply is larger than 256 MiB"
    ]


def test_a_reply_takes_no_more_memory_than_its_bytes_and_none_once_it_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http1, "LARGEST_REPLY", 1_000_000)

    async def read() -> tuple[int, int]:
        one = http1.Connection()
        one.connection_made(Deaf())
        turn = one.ask(b"")
        one.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        tracemalloc.start()
        try:
            for _ in range(1600):
                one.data_received(b"1\r\n.\r\n" * 100)
            held = tracemalloc.get_traced_memory()[0]
            one.data_received(b"3000000\r\n" + b"." * 100_000)
            assert isinstance(turn.exception(), http1.LostError)
            return held, tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    held, left = asyncio.run(read())
    assert held < 400_000, "160,000 letters, each in a chunk of its own"
    assert left < 100_000, "the error is kept while the request is tried again, and its connection with it"


@both
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("packed", [False, True])
def test_a_reply_that_does_not_end_is_given_up_by_the_sdk_s_client_too(
    kind: Kind, status: int, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, "signed", True)  # so that each request is sent by it
    monkeypatch.setattr(http, "LARGEST_REPLY", 100_000)
    large = gzip.compress(b" " * 4_000_000) if packed else b" " * 4_000_000
    headers = {"Content-Encoding": "gzip"} if packed else {}

    def answer(number: int, sent: dict[str, Any]) -> Scripted:
        return Scripted(large, status=status, headers=headers) if number == 1 else Scripted(body(kind, "4"))

    outcomes, _ = asked(kind, answer, 3)
    assert [text(outcome) for outcome in outcomes if isinstance(outcome, Reply)] == ["4", "4"]
    (failure,) = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert failure.kind == "retry" and "the reply is larger than 256 MiB" in failure.message


@both
def test_limits_and_refusals_of_later_answers_are_heard(kind: Kind) -> None:
    limits = {
        "x-ratelimit-limit-requests": "50",
        "x-ratelimit-remaining-requests": "49",
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
    }

    def answer(number: int, sent: dict[str, Any]) -> Scripted:
        if number == 2:
            return Scripted({"error": {"message": "Slow down"}}, status=429, headers={"retry-after": "7"})
        return Scripted(body(kind, "4"), headers=limits)

    (_, second, refused), _ = asked(kind, answer, 3)
    assert isinstance(second, Reply)
    assert second.limits is not None
    assert second.limits.requests is not None
    assert second.limits.requests.per_minute == 50
    assert isinstance(refused, Failure)
    assert (refused.kind, refused.wait_s, refused.push_back) == ("retry", 7, "quota")
    assert "Slow down" in refused.message


@both
def test_a_later_redirect_is_followed_on_the_same_server_and_nowhere_else(kind: Kind) -> None:
    def answer(number: int, sent: dict[str, Any]) -> Scripted:
        if number in (1, 2):  # the request as we send it, and the same through the SDK's client
            return Scripted(b"", status=307, headers={"Location": "/elsewhere"})
        if number >= 4:
            return Scripted(b"", status=307, headers={"Location": "http://127.0.0.1:9/stolen"})
        return Scripted(body(kind, f"{number}"))

    (first, second, third), server = asked(kind, answer, 3)
    assert (text(first), text(second)) == ("0", "3")
    assert server.paths[3] == "/elsewhere"
    assert isinstance(third, Failure)
    assert third.kind == "account"
    assert "redirects to http://127.0.0.1:9" in third.message


@both
def test_a_connection_that_breaks_is_a_lost_one_also_later(kind: Kind) -> None:
    def answer(number: int, sent: dict[str, Any]) -> Scripted:
        return Scripted(cut=True) if number == 1 else Scripted(body(kind, "4"))

    (_, second, third), _ = asked(kind, answer, 3)
    assert isinstance(second, Failure)
    assert (second.kind, second.push_back) == ("retry", "lost")
    assert "connection lost" in second.message
    assert text(third) == "4"
