"""The embedded teacher as a rehearsal: faults by share and by number, rate limits as the providers tell them, bills."""

import asyncio
import contextlib
import json
import random
import statistics
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from cotdistill.errors import CotDistillError, UsageError
from cotdistill.mock.faults import KINDS, Fault, Faults, parse
from cotdistill.mock.ledger import sha256
from cotdistill.mock.limits import Account, Limits
from cotdistill.mock.sources import Scripted
from cotdistill.mock.teacher import ServerConfig, Teacher
from cotdistill.mock.wire_common import Billed
from tests.conftest import cotdistill
from tests.faulty_teacher import Rehearsal, rehearsing

ASK: Any = [{"role": "user", "content": "a=8 b=a-9 c=b+5 c?"}]
BODY = {"model": "m", "max_tokens": 100, "messages": ASK}
BODIES = {"/v1/chat/completions": BODY, "/v1/responses": {"model": "m", "input": "2+2?"}, "/v1/messages": BODY}
HEADERS = {"Authorization": "Bearer x", "anthropic-version": "2026-10-21"}


def play(
    tmp_path: Path, scene: Callable[[Rehearsal, httpx2.AsyncClient], Awaitable[None]], faults: str = "", **config: Any
) -> None:
    async def run() -> None:
        async with (
            rehearsing(tmp_path, faults, **config) as here,
            httpx2.AsyncClient(base_url=here.url, headers=HEADERS) as client,
        ):
            await scene(here, client)

    asyncio.run(run())


# Which request is met


def test_a_share_of_all_requests_is_met_and_the_same_ones_for_a_seed() -> None:
    spec = parse("429:0.2, cut:0.05")
    drawn = [fault and fault.kind for fault in (lambda faults: [faults.draw() for _ in range(10_000)])(Faults(spec, 1))]
    counts = Counter(drawn)
    assert 0.18 < counts["429"] / 10_000 < 0.22
    assert 0.04 < counts["cut"] / 10_000 < 0.06
    again, other = Faults(spec, 1), Faults(spec, 2)
    assert [fault and fault.kind for fault in (again.draw() for _ in range(10_000))] == drawn
    assert [fault and fault.kind for fault in (other.draw() for _ in range(10_000))] != drawn


def test_requests_are_met_by_number() -> None:
    faults = Faults(parse("500@2,cut=-1@4-5,slow=20@8-"))
    drawn = [fault and (fault.kind, fault.argument) for fault in (faults.draw() for _ in range(9))]
    cut, slow = ("cut", "-1"), ("slow", "20")
    assert drawn == [None, ("500", None), None, cut, cut, None, None, slow, slow]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("429", "'429': expected KIND:SHARE or KIND@NUMBER"),
        ("200:0.1", "'200:0.1': expected KIND:SHARE"),
        ("cutt:0.1", "no fault named 'cutt'; there is 400 to 599, quota"),
        ("cut=half:0.1", "'cut=half:0.1': expected a number after ="),
        ("cut:0.1.2", "expected a share such as 0.2"),
        ("cut:0.7,slow:0.7", "the shares add up to more than 1"),
    ],
)
def test_a_wrong_spec_says_what_is_wrong(spec: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        parse(spec)


def test_the_help_names_every_fault_and_a_wrong_one_is_a_usage_error() -> None:
    words = cotdistill("mock-teacher", "--help").stdout
    assert all(f"    {kind} " in words for kind in KINDS)
    done = cotdistill("mock-teacher", "--port", "0", "--faults", "boom:1")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


# What it looks like


@pytest.mark.parametrize("path", BODIES)
def test_an_error_has_the_providers_shape_and_is_not_billed(path: str, tmp_path: Path) -> None:
    async def scene(here: Rehearsal, client: httpx2.AsyncClient) -> None:
        for status in (429, 529, 200):
            reply = await client.post(path, json=BODIES[path])
            assert reply.status_code == status
            found = reply.json()
            assert found["error"]["message"]
            assert ("type" in found) == (path == "/v1/messages")
        assert here.answers == 0

    play(tmp_path, scene, "429=7@1,529@2,error@3")


def test_the_sdks_know_an_account_that_is_spent(tmp_path: Path) -> None:
    async def scene(here: Rehearsal, client: httpx2.AsyncClient) -> None:
        async with openai.AsyncOpenAI(api_key="k", base_url=f"{here.url}/v1", max_retries=0) as chat:
            with pytest.raises(openai.RateLimitError) as spent:
                await chat.chat.completions.create(model="m", messages=ASK)
            assert spent.value.code == "insufficient_quota"
        async with anthropic.AsyncAnthropic(api_key="k", base_url=here.url, max_retries=0) as messages:
            with pytest.raises(anthropic.RateLimitError) as limit:
                await messages.messages.create(model="m", max_tokens=9, messages=ASK)
            assert type(limit.value).__name__ == "EnforcedSpendLimitReachedError"

    play(tmp_path, scene, "quota@1-")


def test_a_stream_may_end_in_the_words_that_there_is_no_room(tmp_path: Path) -> None:
    async def scene(here: Rehearsal, client: httpx2.AsyncClient) -> None:
        async with anthropic.AsyncAnthropic(api_key="k", base_url=here.url, max_retries=0) as messages:
            with pytest.raises(anthropic.APIStatusError) as overload:
                async with messages.messages.stream(model="m", max_tokens=100, messages=ASK) as events:
                    await events.get_final_message()
            assert overload.value.type == "overloaded_error"
            with pytest.raises(anthropic.APIStatusError) as overload:
                await messages.messages.create(model="m", max_tokens=100, messages=ASK)
            assert overload.value.status_code == 529
        assert here.answers == 0

    play(tmp_path, scene, "overload@1-2")


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("fault", ["null", "empty", "unknown"])
def test_an_answer_without_use_is_billed(path: str, fault: str, tmp_path: Path) -> None:
    async def scene(here: Rehearsal, client: httpx2.AsyncClient) -> None:
        spoilt, whole = [(await client.post(path, json=BODIES[path])).json() for _ in range(2)]
        assert spoilt.keys() == whole.keys()
        assert spoilt != {**whole, "id": spoilt["id"]}
        assert here.answers == 2

    play(tmp_path, scene, f"{fault}@1")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["cut", "cut=0", "cut=17", "cut=-1", "truncated"])
def test_a_broken_connection_is_noticed_and_billed(fault: str, stream: bool, tmp_path: Path) -> None:
    async def scene(here: Rehearsal, client: httpx2.AsyncClient) -> None:
        with pytest.raises(httpx2.TransportError):
            await client.post("/v1/messages", json={**BODY, "stream": stream})
        assert (await client.post("/v1/messages", json={**BODY, "stream": stream})).status_code == 200
        assert [bill["delivered"] for bill in here.bills()] == [False, True]

    play(tmp_path, scene, f"{fault}@1")


def test_a_slow_reply_arrives_in_the_end_byte_by_byte(tmp_path: Path) -> None:
    async def scene(here: Rehearsal, client: httpx2.AsyncClient) -> None:
        async with client.stream("POST", "/v1/chat/completions", json=BODY) as reply:
            pieces = [piece async for piece in reply.aiter_raw()]
        assert len(pieces) > 20
        assert json.loads(b"".join(pieces))["choices"]

    play(tmp_path, scene, "slow=0@1")


def test_a_redirect_leads_to_the_same_address_or_another(tmp_path: Path) -> None:
    async def scene(here: Rehearsal, client: httpx2.AsyncClient) -> None:
        same, other = [await client.post("/v1/messages", json=BODY) for _ in range(2)]
        assert (same.status_code, same.headers["location"]) == (307, "/v1/messages")
        assert other.headers["location"] == "http://example.com:80/x"

    play(tmp_path, scene, "redirect@1,redirect=http://example.com:80/x@2")


def test_a_body_and_headers_of_ones_own_may_be_given_from_python(tmp_path: Path) -> None:
    async def scene(here: Rehearsal, client: httpx2.AsyncClient) -> None:
        own = Fault("418", status=418, first=1, headers={"x-should-retry": "true"}, body={"tea": "pot"})
        here.teacher.faults = Faults((own,))
        reply = await client.post("/v1/messages", json=BODY)
        assert (reply.status_code, reply.json(), reply.headers["x-should-retry"]) == (418, {"tea": "pot"}, "true")

    play(tmp_path, scene)


# Rate limits


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    clock = [0.0]
    account = Account(Limits(requests=60, burst_s=5), lambda: clock[0])
    one = Billed(1, 1, 0)
    assert [account.take(["requests"], one) is None for _ in range(7)] == [True] * 5 + [False] * 2
    refused = account.take(["requests"], one)
    assert refused and (refused.axis, refused.limit, refused.wait_s) == ("requests", 60, 1.0)
    clock[0] = 2.5
    assert [account.take(["requests"], one) is None for _ in range(3)] == [True, True, False]


def test_a_request_is_taken_from_all_axes_or_from_none() -> None:
    account = Account(Limits(requests=60, output_tokens=600, burst_s=60), lambda: 0.0)
    axes = ["requests", "input_tokens", "output_tokens"]
    assert account.take(axes, Billed(10, 500, 0)) is None
    refused = account.take(axes, Billed(10, 200, 0))
    assert refused and refused.axis == "output_tokens"
    assert refused.wait_s == pytest.approx(10.0)
    assert account.levels(axes)["requests"].remaining == 59


def test_the_headers_are_those_of_each_provider(tmp_path: Path) -> None:
    async def scene(here: Rehearsal, client: httpx2.AsyncClient) -> None:
        first = (await client.post("/v1/chat/completions", json=BODY)).headers
        assert (first["x-ratelimit-limit-requests"], first["x-ratelimit-limit-tokens"]) == ("2", "9000")
        assert (first["x-ratelimit-remaining-requests"], first["x-ratelimit-reset-requests"]) == ("1", "30s")
        answer = await client.post("/v1/messages", json=BODY)
        second, used = answer.headers, answer.json()["usage"]["output_tokens"]
        assert second["anthropic-ratelimit-input-tokens-limit"] == "4000"
        assert second["anthropic-ratelimit-output-tokens-remaining"] == str(5000 - used)
        refused = await client.post("/v1/messages", json=BODY)
        assert (refused.status_code, refused.json()["error"]["type"]) == (429, "rate_limit_error")
        assert int(refused.headers["retry-after"]) == 30
        refused = await client.post("/v1/responses", json=BODIES["/v1/responses"])
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert here.answers == 2

    play(tmp_path, scene, limits=Limits(requests=2, input_tokens=4000, output_tokens=5000))


def test_a_run_within_limits_that_the_headers_tell_wastes_little(tmp_path: Path) -> None:
    async def scene(here: Rehearsal, client: httpx2.AsyncClient) -> None:
        manifest = await here.generate(40)
        assert (manifest.complete, here.answers) == (True, 40)
        assert here.requests <= 50

    play(tmp_path, scene, limits=Limits(requests=1200, burst_s=1))


# Latency, truncation, bills


def test_latency_has_the_median_and_the_tail_asked_for() -> None:
    teacher = Teacher(ServerConfig(Scripted(), latency_s=0.8, latency_tail=1.0))
    drawn = sorted(teacher.latency_s() for _ in range(20_000))
    assert 0.76 < statistics.median(drawn) < 0.84
    assert 7.2 < drawn[int(0.99 * len(drawn))] < 9.2, "e to the 2.33 times the median"
    assert Teacher(ServerConfig(Scripted(), latency_s=0.8)).latency_s() == 0.8


def test_every_answer_is_cut_and_says_so_in_each_format(tmp_path: Path) -> None:
    async def scene(here: Rehearsal, client: httpx2.AsyncClient) -> None:
        found = {path: (await client.post(path, json=body)).json() for path, body in BODIES.items()}
        assert found["/v1/chat/completions"]["choices"][0]["finish_reason"] == "length"
        assert found["/v1/messages"]["stop_reason"] == "max_tokens"
        assert found["/v1/responses"]["incomplete_details"] == {"reason": "max_output_tokens"}
        assert [bill["usage"]["output_tokens"] > 0 for bill in here.bills()] == [True] * 3

    play(tmp_path, scene, truncate=True)


def test_each_billed_answer_is_one_line_with_what_it_was_for(tmp_path: Path) -> None:
    async def scene(here: Rehearsal, client: httpx2.AsyncClient) -> None:
        content = json.dumps(BODY).encode()
        reply = await client.post("/v1/chat/completions", content=content, headers={"Idempotency-Key": "k-0"})
        await client.post("/v1/chat/completions", content=b"{}")
        answer = reply.json()
        (bill,) = here.bills()
        assert bill == {
            "id": answer["id"],
            "wire": "chat",
            "model": "m",
            "body_sha256": sha256(content),
            "idempotency_key": "k-0",
            "usage": {
                "input_tokens": answer["usage"]["prompt_tokens"],
                "output_tokens": answer["usage"]["completion_tokens"],
                "reasoning_tokens": answer["usage"]["completion_tokens_details"]["reasoning_tokens"],
            },
            "status": 200,
            "delivered": True,
        }
        assert "b=8-9" not in (tmp_path / "ledger.jsonl").read_text()

    play(tmp_path, scene)


def test_an_answer_whose_client_has_gone_is_billed_and_not_delivered(tmp_path: Path) -> None:
    async def scene(here: Rehearsal, client: httpx2.AsyncClient) -> None:
        with pytest.raises(httpx2.ReadTimeout):
            await client.post("/v1/messages", json=BODY, timeout=0.05)
        while not here.bills():
            await asyncio.sleep(0.01)
        assert [bill["delivered"] for bill in here.bills()] == [False]

    play(tmp_path, scene, latency_s=0.2)


def test_a_ledger_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CotDistillError, match=r"is a directory; give another path"):
        Teacher(ServerConfig(Scripted(), ledger=tmp_path))


def test_one_request_is_answered_from_python_whatever_limits_and_faults() -> None:
    from cotdistill.mock.apis import WIRES

    teacher = Teacher(ServerConfig(Scripted(), limits=Limits(requests=1), faults=parse("500@1-")))
    for path, body in BODIES.items():
        reply = teacher.answer(WIRES[path], json.dumps(body).encode(), HEADERS)
        assert (reply.status, reply.content["model"]) == (200, "m")
    assert teacher.answer(WIRES["/v1/messages"], b"{", HEADERS).status == 400
    assert teacher.answer(WIRES["/v1/messages"], b"{}", {}).status == 401
    assert teacher.ledger["answers"] == 3


def test_garbage_in_a_spec_is_refused_never_a_crash() -> None:
    source = random.Random(0)
    for _ in range(2_000):
        spec = "".join(source.choices("429cut=slow@:-.,1 ", k=source.randint(1, 12)))
        with contextlib.suppress(UsageError):
            parse(spec)
