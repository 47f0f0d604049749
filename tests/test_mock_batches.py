"""The embedded teacher's Batch APIs, asked through the real SDKs."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import openai
import pytest
from aiohttp import web

from cotdistill.mock.batches import DESK, BatchSettings
from cotdistill.mock.server import build_app
from cotdistill.mock.sources import Scripted
from cotdistill.mock.teacher import TEACHER, ServerConfig

QUESTION = "a=8 b=a-9 c=b+5 c?"
MESSAGES: Any = [{"role": "user", "content": QUESTION}]
CHAT = "/v1/chat/completions"


@asynccontextmanager
async def teacher(settings: BatchSettings, key: str | None = None) -> AsyncIterator[tuple[web.Application, str]]:
    app = build_app(ServerConfig(source=Scripted(), api_key=key))
    app[DESK].settings = settings
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield app, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def with_openai(
    use: Callable[[openai.AsyncOpenAI, web.Application], Awaitable[None]], key: str | None = None, **settings: Any
) -> None:
    async def run() -> None:
        async with (
            teacher(BatchSettings(**settings), key) as (app, url),
            openai.AsyncOpenAI(api_key="any", base_url=f"{url}/v1", max_retries=0) as client,
        ):
            await use(client, app)

    asyncio.run(run())


def with_anthropic(
    use: Callable[[anthropic.AsyncAnthropic, web.Application], Awaitable[None]], **settings: Any
) -> None:
    async def run() -> None:
        async with (
            teacher(BatchSettings(**settings)) as (app, url),
            anthropic.AsyncAnthropic(api_key="any", base_url=url, max_retries=0) as client,
        ):
            await use(client, app)

    asyncio.run(run())


def line(number: int, url: str = CHAT, **body: Any) -> str:
    asked = {"model": "m", "messages": MESSAGES, **body}
    return json.dumps({"custom_id": f"r-{number}", "method": "POST", "url": url, "body": asked})


async def submit(client: openai.AsyncOpenAI, *lines: str) -> Any:
    file = await client.files.create(file=("b.jsonl", "\n".join(lines).encode()), purpose="batch")
    return await client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"mine": "1"}
    )


async def ended(client: openai.AsyncOpenAI, id: str) -> Any:
    while (batch := await client.batches.retrieve(id)).status in ("validating", "in_progress", "cancelling"):
        await asyncio.sleep(0.005)
    return batch


async def content(client: openai.AsyncOpenAI, file: str | None) -> list[dict[str, Any]]:
    return [] if file is None else [json.loads(text) for text in (await client.files.content(file)).text.splitlines()]


def request(number: int, **params: Any) -> Any:
    return {"custom_id": f"r-{number}", "params": {"model": "m", "max_tokens": 99, "messages": MESSAGES, **params}}


async def messages_ended(client: anthropic.AsyncAnthropic, id: str) -> Any:
    while (batch := await client.messages.batches.retrieve(id)).processing_status != "ended":
        await asyncio.sleep(0.005)
    return batch


def test_an_openai_batch_answers_each_line_as_online_in_another_order() -> None:
    async def use(client: openai.AsyncOpenAI, app: web.Application) -> None:
        batch = await submit(client, *[line(n) for n in range(20)])
        assert (batch.status, batch.output_file_id, batch.metadata) == ("in_progress", None, {"mine": "1"})
        batch = await ended(client, batch.id)
        assert (batch.status, batch.error_file_id) == ("completed", None)
        assert (batch.request_counts.total, batch.request_counts.completed) == (20, 20)
        entries = await content(client, batch.output_file_id)
        assert sorted(one["custom_id"] for one in entries) == sorted(f"r-{n}" for n in range(20))
        assert [one["custom_id"] for one in entries] != [f"r-{n}" for n in range(20)], "order means nothing"
        seventh = next(one for one in entries if one["custom_id"] == "r-7")["response"]["body"]
        online = await client.chat.completions.create(
            model="m", messages=MESSAGES, extra_headers={"Idempotency-Key": "x-7"}
        )
        assert seventh["choices"][0]["message"]["content"] == online.choices[0].message.content
        ledger = app[TEACHER].ledger
        assert (ledger["batches"], ledger["batch_answers"], ledger["answers"]) == (1, 20, 21)

    with_openai(use)


def test_lines_that_fail_stand_in_the_error_file_and_are_not_billed() -> None:
    async def use(client: openai.AsyncOpenAI, app: web.Application) -> None:
        lines = [line(n) for n in range(6)] + [line(6, messages=[])]
        batch = await ended(client, (await submit(client, *lines)).id)
        assert batch.status == "expired"
        failed = await content(client, batch.error_file_id)
        codes = sorted(one["error"]["code"] if one["error"] else str(one["response"]["status_code"]) for one in failed)
        assert codes == ["400", "529", "batch_expired", "batch_expired"]
        assert len(await content(client, batch.output_file_id)) == app[TEACHER].ledger["answers"] == 3

    with_openai(use, expired=2, overloaded=1)


def test_a_file_with_mistakes_fails_as_a_whole_and_says_where() -> None:
    async def use(client: openai.AsyncOpenAI, app: web.Application) -> None:
        batch = await submit(client, line(0), line(0), "no JSON", line(1, url="/v1/embeddings"))
        assert batch.status == "failed" and batch.errors and batch.errors.data
        found = [(error.code, error.line) for error in batch.errors.data]
        assert found == [("duplicate_custom_id", 2), ("invalid_json_line", 3), ("url_mismatch", 4)]
        assert app[TEACHER].ledger["answers"] == 0

    with_openai(use)


def test_a_batch_waits_for_its_looks_and_can_be_cancelled_before() -> None:
    async def use(client: openai.AsyncOpenAI, app: web.Application) -> None:
        batch = await submit(client, line(0))
        assert (await client.batches.retrieve(batch.id)).status == "in_progress"
        assert (await client.batches.cancel(batch.id)).status == "cancelling"
        batch = await ended(client, batch.id)
        assert batch.status == "cancelled"
        assert [one["error"]["code"] for one in await content(client, batch.error_file_id)] == ["batch_cancelled"]
        assert app[TEACHER].ledger["answers"] == 0

    with_openai(use, polls=1000)


def test_batches_are_listed_newest_first_page_by_page() -> None:
    async def use(client: openai.AsyncOpenAI, app: web.Application) -> None:
        made = [(await submit(client, line(n))).id for n in range(5)]
        assert [batch.id async for batch in client.batches.list(limit=2)] == made[::-1]

    async def use_messages(client: anthropic.AsyncAnthropic, app: web.Application) -> None:
        made = [(await client.messages.batches.create(requests=[request(n)])).id for n in range(5)]
        assert [batch.id async for batch in client.messages.batches.list(limit=2)] == made[::-1]

    with_openai(use)
    with_anthropic(use_messages)


def test_a_wrong_key_is_refused_everywhere() -> None:
    async def use(client: openai.AsyncOpenAI, app: web.Application) -> None:
        with pytest.raises(openai.AuthenticationError):
            await submit(client, line(0))
        with pytest.raises(openai.AuthenticationError):
            await client.batches.retrieve("batch_1")

    with_openai(use, key="right")


def test_what_is_not_there_is_a_404_in_the_wire_format() -> None:
    async def use(client: openai.AsyncOpenAI, app: web.Application) -> None:
        with pytest.raises(openai.NotFoundError):
            await client.batches.retrieve("batch_none")

    async def use_messages(client: anthropic.AsyncAnthropic, app: web.Application) -> None:
        with pytest.raises(anthropic.NotFoundError):
            await client.messages.batches.retrieve("msgbatch_none")

    with_openai(use)
    with_anthropic(use_messages)


def test_message_batches_count_as_processing_until_all_have_ended() -> None:
    async def use(client: anthropic.AsyncAnthropic, app: web.Application) -> None:
        requests = [request(n) for n in range(10)] + [request(10, max_tokens=0)]
        batch = await client.messages.batches.create(requests=requests)
        assert (batch.processing_status, batch.request_counts.processing, batch.results_url) == (
            "in_progress",
            11,
            None,
        )
        batch = await messages_ended(client, batch.id)
        counts = batch.request_counts
        assert (counts.processing, counts.succeeded, counts.errored, counts.expired) == (0, 7, 2, 2)
        results = {one.custom_id: one.result async for one in await client.messages.batches.results(batch.id)}
        assert len(results) == 11
        kinds = sorted(result.type for result in results.values())
        assert kinds == ["errored"] * 2 + ["expired"] * 2 + ["succeeded"] * 7
        messages = [result.message for result in results.values() if result.type == "succeeded"]
        assert {message.usage.service_tier for message in messages} == {"batch"}
        last = results["r-10"]
        assert last.type == "errored" and "max_tokens" in last.error.error.message
        assert app[TEACHER].ledger["answers"] == app[TEACHER].ledger["batch_answers"] == 7

    with_anthropic(use, expired=2, overloaded=1)


def test_message_batches_refuse_ids_that_are_long_or_used_twice() -> None:
    async def use(client: anthropic.AsyncAnthropic, app: web.Application) -> None:
        long: Any = {**request(0), "custom_id": "x" * 65}
        with pytest.raises(anthropic.BadRequestError, match="at most 64"):
            await client.messages.batches.create(requests=[long])
        with pytest.raises(anthropic.BadRequestError, match="unique"):
            await client.messages.batches.create(requests=[request(0), request(0)])

    with_anthropic(use)
