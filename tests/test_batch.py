"""`generate --batch` against both Batch APIs: the real SDKs over HTTP, and real processes killed at every step."""

import asyncio
import json
import os
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import genai_prices
import msgspec
import pytest
from aiohttp import web

from cotdistill.config import GenerateConfig
from cotdistill.errors import AccountError, CotDistillError, UsageError
from cotdistill.mock.batches import DESK
from cotdistill.mock.teacher import TEACHER
from cotdistill.mock.wire_common import Reply, Wire
from cotdistill.pricing import Prices
from cotdistill.progress import Silent
from cotdistill.records import Usage
from cotdistill.stages import generate as stage
from cotdistill.stages.generate import batch
from cotdistill.stages.generate.batch.calls import Pace
from cotdistill.stages.generate.batch.work import BUYS
from cotdistill.store.location import default_path
from cotdistill.store.prune import prune
from tests.batch_world import CREATE, PROVIDERS, QUICK, Handler, World, cut_connection, died, kill, world

PRICED: dict[str, Any] = {"price_in": 1_000_000.0, "price_out": 1_000_000.0, "max_output_tokens": 100}
"""A dollar a token."""

both = pytest.mark.parametrize("provider", PROVIDERS)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    pace(monkeypatch)


def pace(monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
    monkeypatch.setattr(batch, "PACE", Pace(**{**QUICK, **more}))


def play(tmp_path: Path, scene: Callable[[World], Awaitable[None]], key: str | None = None, **settings: Any) -> None:
    async def run() -> None:
        async with world(tmp_path, key, **settings) as here:
            await scene(here)

    asyncio.run(run())


def creations(here: World) -> int:
    return sum(request in ("POST /v1/batches", "POST /v1/messages/batches") for request in here.requests)


# A whole run


@both
def test_a_batch_run_gives_what_an_online_run_gives_at_half_the_price(provider: str, tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        online = await here.generate(provider, 12, "online", batch=False, samples=2, no_cache=True, **PRICED)
        bought = here.ledger["answers"]
        batched = await here.generate(provider, 12, "batched", samples=2, **PRICED)
        assert (batched.complete, batched.counts["bought"]) == (True, 24)
        assert (here.ledger["answers"] - bought, here.ledger["batch_answers"]) == (24, 23)
        pairs = list(zip(here.responses("online"), here.responses("batched"), strict=True))
        for one, other in pairs:
            assert (one.prompt.id, one.sample) == (other.prompt.id, other.sample)
            assert (one.text, one.reasoning, one.usage) == (other.text, other.reasoning, other.usage)
        costs = [(Decimal(one.cost_usd or 0), Decimal(other.cost_usd or 0)) for one, other in pairs]
        assert costs[0][0] == costs[0][1] > 0, "the first was asked online"
        assert all(one == 2 * other > 0 for one, other in costs[1:])
        assert online.cost_usd and batched.cost_usd
        assert Decimal(batched.cost_usd) == sum(other for _, other in costs)

    play(tmp_path, scene)


@both
def test_a_second_run_buys_nothing_and_still_knows_what_cost_half(provider: str, tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        first = await here.generate(provider, 5, **PRICED)
        asked = len(here.requests)
        second = await here.generate(provider, 5, **{**PRICED, "batch": False})
        assert (second.counts["bought"], second.cost_usd) == (0, first.cost_usd)
        assert len(here.requests) == asked

    play(tmp_path, scene)


def test_an_answer_that_is_pruned_and_bought_again_online_costs_its_full_price(tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        first = await here.generate("openai", 5, **PRICED)
        assert prune(default_path(), older_than_days=0) == 5
        second = await here.generate("openai", 5, **{**PRICED, "batch": False})
        assert first.cost_usd and second.cost_usd
        assert Decimal(first.cost_usd) < Decimal(second.cost_usd) < 2 * Decimal(first.cost_usd)

    play(tmp_path, scene)


@pytest.mark.parametrize(("provider", "model"), [("anthropic", "claude-sonnet-5-5"), ("openai", "gpt-6-sol")])
def test_half_is_what_the_published_batch_prices_are(provider: str, model: str) -> None:
    published = genai_prices.calc_price(
        genai_prices.Usage(input_tokens=1000, output_tokens=500, cache_read_tokens=100),
        model_ref=model,
        provider_id=provider,
        price_context={"processing": "batch"},
    ).total_price
    usage = Usage(input_tokens=1000, output_tokens=500, cached_tokens=100)
    assert Prices(provider, model).cost(usage, batch=True) == published > 0


@both
def test_a_job_larger_than_a_batch_goes_out_in_several(
    provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(here: World) -> None:
        pace(monkeypatch, most_requests=4)
        assert (await here.generate(provider, 11, "a")).complete
        assert [len(one.lines) for one in here.app[DESK].batches.values()] == [4, 4, 2]
        pace(monkeypatch, most_bytes=1500)
        assert (await here.generate(provider, 11, "b", system="Be brief.")).complete
        sizes = [len(msgspec.json.encode(one.lines)) for one in list(here.app[DESK].batches.values())[3:]]
        assert len(sizes) > 1
        assert all(size < 1500 for size in sizes)

    play(tmp_path, scene)


def test_the_same_question_under_two_ids_is_in_the_batch_once(tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        text = here.questions(3).read_text()
        path = tmp_path / "twice.jsonl"
        path.write_text(text + text.replace('"p', '"q'))
        config = GenerateConfig(**here.teacher("openai"), batch=True)
        manifest = await asyncio.to_thread(stage.run, path, tmp_path / "r.jsonl", config, Silent())
        assert (here.ledger["answers"], manifest.counts["responses"]) == (3, 6)

    play(tmp_path, scene)


# Killed between any two steps


OPENAI_STEPS = ("POST /v1/files", "POST /v1/batches", "GET /v1/batches/", "GET /v1/files/")
ANTHROPIC_STEPS = ("POST /v1/messages/batches", "GET /v1/messages/batches/")
STEPS = [
    (provider, step, when)
    for provider, steps in (("openai", OPENAI_STEPS), ("anthropic", ANTHROPIC_STEPS))
    for step in steps
    for when in ("before", "after")
] + [("anthropic", "GET results", "half"), ("openai", "GET results", "half")]


@pytest.mark.parametrize(("provider", "step", "when"), STEPS, ids=[" ".join(step) for step in STEPS])
def test_a_process_killed_at_any_step_neither_loses_nor_repeats_a_batch(
    provider: str, step: str, when: str, tmp_path: Path
) -> None:
    async def scene(here: World) -> None:
        reached = asyncio.Event()

        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            name = f"{request.method} {request.path}"
            results = name.startswith("GET") and name.endswith(("/results", "/content"))
            if reached.is_set() or not (name.startswith(step) or (when == "half" and results)):
                return await handler(request)
            reached.set()
            response = await handler(request) if when != "before" else web.Response()
            if when == "half":
                await send_half(here, request, response)
            await kill(process)
            return response

        here.around = around
        process = here.process(provider, 9)
        assert await died(process) == -signal.SIGKILL, (tmp_path / "stderr").read_text()
        assert reached.is_set()
        kept = here.stored()
        manifest = await here.generate(provider, 9)
        assert (manifest.complete, manifest.counts["responses"]) == (True, 9)
        assert manifest.counts["bought"] == 9 - kept
        assert here.ledger["answers"] == 9, "each request is billed once"
        assert here.ledger["batches"] == 1, "no batch is made twice"

    play(tmp_path, scene)


async def send_half(here: World, request: web.Request, response: web.StreamResponse) -> None:
    """The first lines of a file of results; returns when the client has stored some of them."""
    assert isinstance(response, web.Response) and isinstance(response.body, bytes)
    lines = response.body.splitlines(keepends=True)
    slow = web.StreamResponse(headers={"Content-Length": str(len(response.body))})
    await slow.prepare(request)
    await slow.write(b"".join(lines[:5]))
    while here.stored() < 4:
        await asyncio.sleep(0.005)


def test_a_batch_of_somebody_else_with_as_many_requests_is_not_taken_for_ours(tmp_path: Path) -> None:
    """Anthropic tells nothing of a running batch but its size: contents decide, once it has ended."""

    async def scene(here: World) -> None:
        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            if f"{request.method} {request.path}" == "POST /v1/messages/batches":
                here.around = None
                await kill(process)
                return web.Response()
            return await handler(request)

        here.around = around
        process = here.process("anthropic", 6)
        assert await died(process) == -signal.SIGKILL
        params: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
        async with anthropic.AsyncAnthropic(api_key="any", base_url=here.url) as client:
            foreign: Any = [{"custom_id": f"theirs-{n}", "params": params} for n in range(5)]
            await client.messages.batches.create(requests=foreign)
        manifest = await here.generate("anthropic", 6)
        assert manifest.complete
        assert any("is not ours after all" in note for note in here.progress.notes)
        assert (here.ledger["answers"], here.ledger["batches"]) == (6 + 5, 2)
        assert all("simulated teacher" not in one.text for one in here.responses())

    play(tmp_path, scene)


@both
def test_a_creation_whose_answer_is_lost_is_looked_for_before_it_is_repeated(provider: str, tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        lost = iter(["answered", "unanswered", "overloaded"])

        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            if (request.method, request.path) != ("POST", CREATE[provider]):
                return await handler(request)
            match next(lost, None):
                case "answered":
                    await handler(request)
                    return cut_connection(request)
                case "unanswered":
                    return cut_connection(request)
                case "overloaded":
                    return web.json_response({"error": {"message": "busy"}}, status=503)
            return await handler(request)

        here.around = around
        assert (await here.generate(provider, 5, "a")).complete
        assert (creations(here), here.ledger["batches"]) == (1, 1)
        assert (await here.generate(provider, 5, "b", system="Again.")).complete
        assert (creations(here), here.ledger["batches"]) == (4, 2), "made at the third attempt"
        assert here.ledger["answers"] == 10

    play(tmp_path, scene)


def test_ctrl_c_leaves_the_batches_running_and_the_same_command_collects_them(tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        here.settings.polls = 10**9

        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith("/v1/batches/"):
                here.around = None
                os.kill(process.pid, signal.SIGINT)
            return await handler(request)

        here.around = around
        process = here.process("openai", 9, most_requests=4)
        assert await died(process) == 130
        said = (tmp_path / "stderr").read_text()
        assert "stopped; 1 new answers are kept, 2 batches go on at the provider; the same command collects" in said
        assert "Traceback" not in said
        await here.generate("openai", 1, "online", batch=False, system="Another request.")
        assert any("8 requests to this teacher are under way in batches" in note for note in here.progress.notes)
        here.settings.polls = 0
        assert (await here.generate("openai", 9)).complete
        assert (here.ledger["batches"], here.ledger["answers"]) == (2, 9 + 1)

    play(tmp_path, scene)


# What goes wrong inside a batch


@both
def test_expired_and_overloaded_requests_go_into_another_batch(provider: str, tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        manifest = await here.generate(provider, 12)
        assert manifest.complete
        assert (here.ledger["batches"], here.ledger["answers"]) == (2, 12)

    play(tmp_path, scene, expired=3, overloaded=2)


@both
def test_a_request_that_expires_again_and_again_is_given_up_with_its_reason(provider: str, tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        manifest = await here.generate(provider, 3)
        assert (manifest.complete, manifest.counts["failed"], here.ledger["batches"]) == (False, 2, BUYS)
        reasons = {json.loads(line)["reason"] for line in (tmp_path / "r.failed.jsonl").read_text().splitlines()}
        assert len(reasons) == 1 and "expired" in reasons.pop()

    play(tmp_path, scene, expired=10**6)


@both
def test_a_refused_request_fails_with_the_providers_words_and_is_not_asked_again(provider: str, tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        teacher = here.app[TEACHER]
        compute = teacher.compute

        def refusing(wire: Wire, content: bytes, headers: Mapping[str, str]) -> Reply:
            poisoned = b"p-oison" in content
            return wire.refusal(400, "this prompt is too long") if poisoned else compute(wire, content, headers)

        teacher.compute = refusing  # type: ignore[method-assign]
        path = here.questions(4)
        path.write_text(path.read_text() + json.dumps({"id": "bad", "question": "p-oison"}) + "\n")
        config = GenerateConfig(**here.teacher(provider), batch=True)
        manifest = await asyncio.to_thread(stage.run, path, tmp_path / "r.jsonl", config, here.progress)
        assert (manifest.counts["responses"], manifest.counts["failed"], here.ledger["batches"]) == (4, 1, 1)
        failed = json.loads((tmp_path / "r.failed.jsonl").read_text())
        assert failed["id"] == "bad" and "this prompt is too long" in failed["reason"]

    play(tmp_path, scene)


@both
def test_what_was_canceled_at_the_provider_is_not_bought_again_by_the_same_run(provider: str, tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith(f"{CREATE[provider]}/"):
                for one in here.app[DESK].batches.values():
                    here.app[DESK].cancel(one)
            return await handler(request)

        here.around = around
        first = await here.generate(provider, 4)
        assert (first.counts["failed"], here.ledger["batches"]) == (3, 1)
        assert "cancel" in (tmp_path / "r.failed.jsonl").read_text()
        here.around, here.settings.polls = None, 1
        assert (await here.generate(provider, 4)).complete, "the next run asks"

    play(tmp_path, scene, polls=10**9)


@both
def test_results_of_unknown_requests_are_ignored_and_counted(provider: str, tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            if request.path.endswith(("/results", "/content")):
                assert isinstance(response, web.Response) and isinstance(response.body, bytes)
                first = json.loads(response.body.splitlines()[0])
                stray = json.dumps({**first, "custom_id": "somebody-elses"}).encode()
                return web.Response(body=b"not JSON\n" + stray + b"\n\n" + response.body)
            return response

        here.around = around
        assert (await here.generate(provider, 4)).complete
        assert any("2 results belong to no request of ours" in note for note in here.progress.notes)

    play(tmp_path, scene)


@both
def test_a_download_that_is_cut_is_begun_again(provider: str, tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            if not request.path.endswith(("/results", "/content")):
                return response
            here.around = None
            assert isinstance(response, web.Response) and isinstance(response.body, bytes)
            cut = web.StreamResponse(headers={"Content-Length": str(len(response.body))})
            await cut.prepare(request)
            await cut.write(response.body[: len(response.body) // 2])
            return cut_connection(request)

        here.around = around
        assert (await here.generate(provider, 6)).complete
        assert (here.ledger["batches"], here.ledger["answers"]) == (1, 6)

    play(tmp_path, scene)


# What goes wrong with a whole batch


def test_a_bad_key_is_found_before_anything_is_submitted(tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        with pytest.raises(AccountError, match="refuses the key"):
            await here.generate("openai", 100)
        assert here.requests == ["POST /v1/chat/completions"]

    play(tmp_path, scene, key="another")


def test_a_bad_setting_is_found_after_three_requests(tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            return web.json_response({"error": {"message": "reasoning_effort: no such level"}}, status=400)

        here.around = around
        with pytest.raises(CotDistillError, match="no batch was submitted: 400: reasoning_effort: no such level"):
            await here.generate("openai", 100)
        assert len(here.requests) == 3

    play(tmp_path, scene)


def test_a_batch_that_fails_its_validation_is_told_with_the_line_and_may_be_sent_again(tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        with pytest.raises(
            CotDistillError, match=r"line 2: invalid_json_line This line is not valid.*Nothing of it is"
        ):
            await here.generate("openai", 5)
        here.settings.invalid_line = None
        assert (await here.generate("openai", 5)).complete
        assert here.ledger["answers"] == 5

    play(tmp_path, scene, invalid_line=2)


def test_a_full_queue_makes_batches_smaller_and_sends_one_at_a_time(tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        assert (await here.generate("openai", 13)).complete
        assert [len(one.lines) for one in here.app[DESK].batches.values()] == [12, 6, 3, 3, 3, 3]
        assert here.ledger["answers"] == 13

    play(tmp_path, scene, queue_requests=4)


def test_a_server_without_a_batch_api_is_a_usage_error(tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            known = request.path == "/v1/chat/completions"
            return await handler(request) if known else web.json_response({"detail": "Not Found"}, status=404)

        here.around = around
        with pytest.raises(UsageError, match=r"--batch: http.* has no Batch API"):
            await here.generate("openai", 3)

    play(tmp_path, scene)


def test_a_batch_the_provider_does_not_know_is_asked_again_only_after_a_day(tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith("/v1/batches/"):
                return web.json_response({"error": {"message": "No such batch"}}, status=404)
            return await handler(request)

        here.around = around
        with pytest.raises(CotDistillError, match=r"No such batch.*is this the key of the same account"):
            await here.generate("openai", 4)
        assert here.ledger["batches"] == 1
        with sqlite3.connect(os.environ["COTDISTILL_CACHE"]) as store:
            store.execute("UPDATE batches SET begun_at = ?", (time.time() - 2 * 86_400,))
        here.around = None
        here.app[DESK].batches.clear()
        assert (await here.generate("openai", 4)).complete
        assert here.ledger["batches"] == 2

    play(tmp_path, scene)


# Options


def test_a_cap_submits_only_what_fits_at_half_the_worst_case(tmp_path: Path) -> None:
    # About 50 bytes, 64 of overhead and 100 out: some 214 USD online, 107 in a batch.
    async def scene(here: World) -> None:
        manifest = await here.generate("openai", 40, **PRICED, max_cost=1000.0)
        assert manifest.stopped_by == "budget"
        first = next(iter(here.app[DESK].batches.values()))
        assert 5 <= len(first.lines) <= 9, "the canary and the first batch together cost 1000 at most"
        assert manifest.cost_usd is not None
        assert 500 < Decimal(manifest.cost_usd) <= 1000, "what is left of the worst case buys more"
        assert manifest.counts["bought"] == here.ledger["answers"] < 40
        assert (await here.generate("openai", 40, **PRICED)).complete
        assert here.ledger["answers"] == 40

    play(tmp_path, scene)


def test_batches_of_a_killed_run_count_towards_the_cap_of_the_next(tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            return cut_connection(request) if request.path.startswith("/v1/batches/") else await handler(request)

        here.around = around
        with pytest.raises(CotDistillError, match="Nothing is lost; the same command continues"):
            await here.generate("openai", 40, **PRICED, max_cost=1000.0)
        under_way = len(next(iter(here.app[DESK].batches.values())).lines)
        here.around, looked = None, list[int]()

        async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith("/v1/batches/"):
                looked.append(here.ledger["batches"])
            return await handler(request)

        here.around = watch
        manifest = await here.generate("openai", 40, backwards=True, **PRICED, max_cost=100.0 + 107 * under_way)
        assert looked[0] == 1, "nothing new was submitted beside it"
        assert manifest.cost_usd and Decimal(manifest.cost_usd) <= 1000

    play(tmp_path, scene)


UNFIT = [
    ({"teacher": "mock:digit-chains"}, "teacher 'mock' ends with the run"),
    ({"teacher": "openai:m", "base_url": "http://localhost:9/v1", "until_accepted": 1}, "--until-accepted"),
]


@pytest.mark.parametrize(("options", "words"), UNFIT)
def test_what_does_not_go_with_batches_is_a_usage_error(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("a=1 b=a+1 b?\n")
    with pytest.raises(UsageError, match=words):
        stage.run(tmp_path / "p.txt", tmp_path / "r.jsonl", GenerateConfig(**options, batch=True), Silent())


def test_two_runs_on_one_store_share_what_is_under_way(tmp_path: Path) -> None:
    async def scene(here: World) -> None:
        manifests = await asyncio.gather(here.generate("openai", 10, "a"), here.generate("openai", 10, "b"))
        assert all(manifest.complete for manifest in manifests)
        assert (here.ledger["answers"], here.ledger["batches"]) == (10, 1)

    play(tmp_path, scene, polls=20)
