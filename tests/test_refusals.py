"""When a refusal ends the run: one prompt's trouble, a daily limit, a server of web pages."""

import asyncio
import json
import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tenacity

from cotdistill.artifacts import Manifest
from cotdistill.config import GenerateConfig
from cotdistill.dispatch.refusals import WEB_PAGES, Refusals, spelled_out
from cotdistill.errors import AccountError, CotDistillError
from cotdistill.providers.types import Failure
from cotdistill.records import Message
from cotdistill.stages import generate as stage
from cotdistill.stages.generate import batch
from cotdistill.stages.generate.batch.calls import Pace
from tests.batch_world import PROVIDERS, QUICK, Handler, world
from tests.conftest import Notes
from tests.scripted_server import Scripted, Server, completion, message, serving

both = pytest.mark.parametrize("provider", PROVIDERS)
PAGE = Scripted(b"<html><title>Just a moment...</title>Cloudflare</html>", 403, {"content-type": "text/html"})


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenacity, "wait_random_exponential", lambda **_: tenacity.wait_fixed(0.01))


def refusal(provider: str, status: int, code: str, words: str = "words", **headers: str) -> Scripted:
    error = {"type": code, "code": code, "message": words}
    body = {"error": error} if provider == "openai" else {"type": "error", "error": error}
    return Scripted(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


def answer(provider: str) -> Scripted:
    return Scripted(completion() if provider == "openai" else message({"type": "text", "text": "4"}))


def generate(
    path: Path, provider: str, count: int, reply: Callable[[int], Scripted], **options: Any
) -> tuple[Manifest | CotDistillError, Server, list[str]]:
    """`reply` is given the number of the prompt; the outcome, the server and the notes come back."""
    prompts, progress = path / "prompts.jsonl", Notes()
    prompts.write_text("".join(json.dumps({"id": f"p{n}", "question": str(n)}) + "\n" for n in range(count)))

    async def run() -> tuple[Manifest | CotDistillError, Server, list[str]]:
        async with serving(lambda number, body: reply(int(body["messages"][-1]["content"]))) as server:
            url = server.url + ("/v1" if provider == "openai" else "")
            config = GenerateConfig(teacher=f"{provider}:m", base_url=url, **{"concurrency": 4, **options})
            try:
                made = await asyncio.to_thread(stage.run, prompts, path / "r.jsonl", config, progress)
            except CotDistillError as error:
                return error, server, progress.notes
            return made, server, progress.notes

    return asyncio.run(run())


# One prompt among answers


@both
@pytest.mark.parametrize(
    ("status", "code"),
    [(402, "payment"), (403, "forbidden"), (404, "unhealthy"), (401, "hiccup"), (429, "insufficient_quota")],
)
def test_one_prompt_that_is_refused_among_answers_is_that_prompts_trouble(
    provider: str, status: int, code: str, tmp_path: Path
) -> None:
    made, server, _ = generate(
        tmp_path, provider, 40, lambda n: refusal(provider, status, code) if n == 20 else answer(provider)
    )
    assert isinstance(made, Manifest), made
    assert (made.counts["responses"], made.counts["failed"]) == (39, 1)
    assert len(server.requests) == 40
    failed = (tmp_path / "r.failed.jsonl").read_text()
    assert "p20" in failed and "(other prompts are answered)" in failed


@both
def test_prompts_far_apart_that_are_refused_do_not_end_the_run(provider: str, tmp_path: Path) -> None:
    made, _, _ = generate(
        tmp_path, provider, 60, lambda n: refusal(provider, 403, "forbidden") if n % 20 == 10 else answer(provider)
    )
    assert isinstance(made, Manifest), made
    assert (made.counts["responses"], made.counts["failed"]) == (57, 3)


@both
def test_a_second_prompt_confirms_that_the_account_is_refused(provider: str, tmp_path: Path) -> None:
    made, server, _ = generate(
        tmp_path, provider, 100, lambda n: refusal(provider, 403, "forbidden") if n >= 20 else answer(provider)
    )
    assert isinstance(made, AccountError)
    assert len(server.requests) <= 20 + 2 * 4, "no more than were in flight"


@both
@pytest.mark.parametrize(("code", "ends"), [("odd", False), ("invalid_api_key", True)])
def test_the_one_prompt_that_is_left_does_not_end_the_next_run_either(
    provider: str, code: str, ends: bool, tmp_path: Path
) -> None:
    """All others are in the store; a status alone is no proof against them, the provider's own code is."""
    left = 3

    async def run() -> Manifest | CotDistillError:
        def reply(number: int, body: dict[str, Any]) -> Scripted:
            asked = int(body["messages"][-1]["content"])
            return refusal(provider, 403, code) if asked == left else answer(provider)

        async with serving(reply) as server:
            url = server.url + ("/v1" if provider == "openai" else "")
            config = GenerateConfig(teacher=f"{provider}:m", base_url=url)
            made: Manifest | CotDistillError
            for _ in range(2):
                try:
                    made = await asyncio.to_thread(stage.run, prompts, tmp_path / "r.jsonl", config, Notes())
                except CotDistillError as error:
                    made = error
            return made

    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"id": f"p{n}", "question": str(n)}) + "\n" for n in range(10)))
    made = asyncio.run(run())
    assert isinstance(made, AccountError) == ends
    if isinstance(made, Manifest):
        assert (made.counts["responses"], made.counts["failed"]) == (9, 1)


def test_the_same_prompt_again_confirms_nothing(tmp_path: Path) -> None:
    made, server, _ = generate(
        tmp_path, "openai", 6, lambda n: refusal("openai", 403, "forbidden") if n == 5 else answer("openai"), samples=4
    )
    assert isinstance(made, Manifest), made
    assert (made.counts["responses"], made.counts["failed"], len(server.requests)) == (20, 4, 24)


@both
@pytest.mark.parametrize("share", [0.02, 0.5])
def test_in_a_batch_one_question_is_its_own_trouble_and_two_are_the_accounts(
    provider: str, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "PACE", Pace(**QUICK))
    count = 40
    refused = max(1, int(count * share))

    async def around(request: Any, handler: Handler) -> Any:
        from aiohttp import web

        response = await handler(request)
        if request.path.endswith(("/content", "/results")):
            assert isinstance(response, web.Response) and isinstance(response.body, bytes)
            lines = [json.loads(line) for line in response.body.splitlines()]
            error = {"type": "permission_error", "message": "words"}
            for line in lines[:refused]:
                if provider == "openai":
                    line["response"] = {"status_code": 403, "body": {"error": error}}
                else:
                    line["result"] = {"type": "errored", "error": {"type": "error", "error": error}}
            return web.Response(body=b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        return response

    async def run() -> None:
        async with world(tmp_path) as here:
            here.around = around
            if refused > 1:
                with pytest.raises(AccountError, match="words"):
                    await here.generate(provider, count)
                assert here.stored() == count - refused, "what was answered is kept"
            else:
                manifest = await here.generate(provider, count)
                assert (manifest.counts["responses"], manifest.counts["failed"]) == (count - 1, 1)

    asyncio.run(run())


# Web pages


def test_a_firewalls_page_for_one_prompt_is_named_so(tmp_path: Path) -> None:
    made, _, _ = generate(tmp_path, "openai", 30, lambda n: PAGE if n in (10, 11, 12) else answer("openai"))
    assert isinstance(made, Manifest), made
    assert (made.counts["responses"], made.counts["failed"]) == (27, 3)
    failed = (tmp_path / "r.failed.jsonl").read_text()
    assert "a web page titled 'Just a moment...'" in failed and "a proxy or firewall stands between" in failed
    assert "refuses the key" not in failed


@both
@pytest.mark.parametrize("status", [200, 403, 502])
def test_a_server_of_web_pages_is_named_after_twenty(provider: str, status: int, tmp_path: Path) -> None:
    page = Scripted(PAGE.body, status, PAGE.headers)
    made, server, _ = generate(tmp_path, provider, 200, lambda n: page, concurrency=8)
    assert type(made) is (AccountError if status == 403 else CotDistillError)
    denied = "access is denied: " if status == 403 else ""
    assert str(made).startswith(
        f"{WEB_PAGES} web pages in a row instead of answers: {status}: {denied}a web page titled"
    )
    assert "--base-url is wrong" in str(made)
    assert len(server.requests) <= WEB_PAGES + 8


@both
@pytest.mark.parametrize("status", [403, 404, 405])
def test_web_pages_for_every_prompt_of_a_small_file_are_no_failed_prompts(
    provider: str, status: int, tmp_path: Path
) -> None:
    page = Scripted(PAGE.body, status, PAGE.headers)
    made, server, _ = generate(tmp_path, provider, 3, lambda n: page)
    assert type(made) is (AccountError if status == 403 else CotDistillError)
    assert ("access is denied: a web page titled 'Just a moment...'" in str(made)) == (status == 403)
    assert status == 404 or str(made).startswith(f"none of 3 requests was answered: {status}: ")
    assert not (tmp_path / "r.jsonl").exists() and len(server.requests) <= 3


@both
@pytest.mark.parametrize("count", [2, 5])
def test_a_batch_is_not_begun_where_web_pages_come_instead_of_answers(
    provider: str, count: int, tmp_path: Path
) -> None:
    made, server, _ = generate(tmp_path, provider, count, lambda n: PAGE, batch=True)
    assert type(made) is AccountError, made
    assert "403: access is denied: a web page titled 'Just a moment...'" in str(made)
    assert len(server.requests) == min(count, 3)


def test_a_web_page_for_the_only_new_prompt_is_that_prompts_trouble(tmp_path: Path) -> None:
    for count in (3, 4):
        made, _, _ = generate(tmp_path, "openai", count, lambda n: PAGE if n == 3 else answer("openai"))
    assert isinstance(made, Manifest), made
    assert (made.counts["responses"], made.counts["failed"], made.exit_code) == (3, 1, 3)


def test_a_firewall_that_closes_in_mid_run_ends_it_and_keeps_what_is_answered(tmp_path: Path) -> None:
    made, server, _ = generate(tmp_path, "openai", 200, lambda n: PAGE if n >= 30 else answer("openai"))
    assert type(made) is AccountError and "20 web pages in a row" in str(made)
    assert len(server.requests) < 30 + 20 + 8


def test_a_server_whose_every_answer_is_broken_is_named_after_twenty_prompts(tmp_path: Path) -> None:
    made, server, _ = generate(tmp_path, "openai", 200, lambda n: Scripted({"oops": 1}), max_attempts=2)
    assert type(made) is CotDistillError
    assert "the first 20 requests all failed, each as often as --max-attempts allows: the reply holds no" in str(made)
    assert len(server.requests) < 2 * (20 + 8)


# Waits


@both
def test_a_limit_of_a_day_ends_the_run_and_says_when_to_come_back(provider: str, tmp_path: Path) -> None:
    limit = refusal(provider, 429, "rate_limit_error", retry_after="86400")
    made, server, _ = generate(tmp_path, provider, 60, lambda n: limit if n >= 30 else answer(provider))
    assert isinstance(made, AccountError) and made.exit_code == 6
    assert "asks to wait 24 h, and --max-wait is 15 min: come back at " in str(made)
    assert "everything is kept, the same command continues" in str(made)
    assert len(server.requests) <= 30 + 2 * 4
    with sqlite3.connect(os.environ["COTDISTILL_CACHE"]) as store:
        assert store.execute("SELECT count(*) FROM answers").fetchone() == (30,)


def test_geminis_limit_of_a_minute_is_waited_for_and_that_of_a_day_is_not(tmp_path: Path) -> None:
    shown = False

    def minute(n: int) -> Scripted:
        nonlocal shown
        if n == 2 and not shown:
            shown = True
            retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.2s"}
            error = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota"}
            return Scripted([{"error": {**error, "details": [retry]}}], 429)
        return answer("openai")

    made, server, _ = generate(tmp_path, "openai", 4, minute)
    assert isinstance(made, Manifest), made
    assert (made.counts["responses"], len(server.requests)) == (4, 5)

    violation = {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}
    day = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "x", "details": [violation]}
    made, server, _ = generate(
        tmp_path, "openai", 30, lambda n: Scripted([{"error": day}], 429), no_cache=True, max_wait=0.1
    )
    assert isinstance(made, AccountError)
    assert "the limit of a day is reached" in str(made) and "come back at" in str(made)
    assert len(server.requests) <= 4


def test_a_longer_wait_can_be_allowed(tmp_path: Path) -> None:
    shown: list[int] = []

    def reply(n: int) -> Scripted:
        if n == 1 and not shown:
            shown.append(n)
            return refusal("openai", 429, "rate_limit_exceeded", retry_after="1")
        return answer("openai")

    made, _, _ = generate(tmp_path, "openai", 3, reply, max_wait=1)
    assert isinstance(made, Manifest) and made.counts["responses"] == 3
    shown.clear()
    made, _, _ = generate(tmp_path, "openai", 3, reply, max_wait=0.01, no_cache=True, concurrency=1)
    assert isinstance(made, Manifest), "for one prompt among answers"
    assert made.counts["failed"] == 1


@pytest.mark.parametrize(
    ("seconds", "words"), [(5, "5 s"), (119, "119 s"), (900, "15 min"), (86_400, "24 h"), (40_000, "11.1 h")]
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert spelled_out(seconds) == words


# The rule itself


def question(n: int) -> tuple[Message, ...]:
    return (Message(role="user", content=str(n)),)


def test_answers_to_later_requests_clear_the_account_and_earlier_ones_do_not() -> None:
    refused = Failure("account", "403")
    refusals = Refusals()
    assert refusals.weigh(refused, question(0), 0).kind == "account", "nothing was ever answered"
    refusals.answered(1)
    assert refusals.weigh(refused, question(5), 5).kind == "row"
    refusals.answered(4)
    assert refusals.weigh(refused, question(6), 6).kind == "account"
    refusals.answered(7)
    assert refusals.weigh(refused, question(8), 8).kind == "row"


def test_refusals_of_few_prompts_in_any_order_never_end_a_run_that_answers() -> None:
    """With one request at a time: an answer always lies between two refusals."""
    dice = random.Random(0)
    for _ in range(50):
        refusals = Refusals()
        refusals.answered(0)
        for sent in range(1, 200):
            if dice.random() < 0.3 and sent % 2:
                assert refusals.weigh(Failure("account", "403"), question(sent), sent).kind == "row"
            else:
                refusals.answered(sent)
