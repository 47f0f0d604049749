"""Two runs at once on one store: each answer is bought once, and a dead run's claims die with it."""

import asyncio
import json
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from cotdistill import teachers
from cotdistill.artifacts import Manifest
from cotdistill.config import GenerateConfig
from cotdistill.dispatch.claims import Claims
from cotdistill.dispatch.lookup import keys_of
from cotdistill.dispatch.waits import Waits
from cotdistill.progress import Silent
from cotdistill.providers.types import Request
from cotdistill.records import Message
from cotdistill.stages import generate
from cotdistill.store.location import default_path
from tests import virtual_time
from tests.conftest import start
from tests.scripted_server import Scripted, completion, serving

COUNT = 60


def command(tmp_path: Path, url: str, output: str, *more: str) -> list[str]:
    words = ["generate", str(tmp_path / "p.jsonl"), "-o", str(tmp_path / output), "--teacher", "openai:m"]
    return [*words, "--base-url", f"{url}/v1", "--quiet", *more]


def prompts(tmp_path: Path) -> None:
    lines = [json.dumps({"id": str(n), "question": f"question {n}", "answer": "4"}) + "\n" for n in range(COUNT)]
    (tmp_path / "p.jsonl").write_text("".join(lines))


def slow(number: int, body: dict[str, Any]) -> Scripted:
    return Scripted(completion(body["messages"][-1]["content"]), delay_s=0.15)


def test_two_runs_on_one_store_buy_each_answer_once_and_write_the_same(tmp_path: Path) -> None:
    prompts(tmp_path)

    async def run() -> list[str]:
        async with serving(slow) as server:
            both = [start(*command(tmp_path, server.url, f"{n}.jsonl", "--concurrency", "4")) for n in range(2)]
            for one in both:
                _, said = await asyncio.to_thread(one.communicate)
                assert one.returncode == 0, said
            return [body["messages"][-1]["content"] for body in server.requests]

    asked = asyncio.run(run())
    assert sorted(asked) == sorted({f"question {n}" for n in range(COUNT)}), "no question was asked twice"
    assert (tmp_path / "0.jsonl").read_bytes() == (tmp_path / "1.jsonl").read_bytes()


def test_the_claims_of_a_killed_run_die_with_it(tmp_path: Path) -> None:
    prompts(tmp_path)

    async def run() -> int:
        begun, killed = asyncio.Event(), asyncio.Event()

        def answer(number: int, body: dict[str, Any]) -> Scripted:
            begun.set()
            return Scripted(completion("4"), delay_s=0 if killed.is_set() else 5)

        async with serving(answer) as server:
            hanging = start(*command(tmp_path, server.url, "0.jsonl", "--concurrency", "4"))
            await begun.wait()
            hanging.send_signal(signal.SIGKILL)
            hanging.communicate()
            killed.set()
            again = start(*command(tmp_path, server.url, "1.jsonl"))
            _, said = await asyncio.to_thread(again.communicate, 40)
            assert again.returncode == 0, said
            return len(server.requests)

    assert asyncio.run(run()) <= COUNT + 4


@pytest.mark.parametrize("alone", [False, True])
def test_a_claim_is_held_by_one_request_at_a_time_also_within_one_process(tmp_path: Path, alone: bool) -> None:
    order: list[str] = []

    async def one(name: str) -> None:
        with Claims(tmp_path / "s.sqlite", alone=alone) as claims:
            async with claims.claim("k", 0, asyncio.Event()):
                order.append(f"{name} begins")
                await asyncio.sleep(0.01)
                order.append(f"{name} ends")

    async def run() -> None:
        await asyncio.gather(one("a"), one("b"))

    asyncio.run(run())
    assert order == ["a begins", "a ends", "b begins", "b ends"]


def test_one_that_leaves_does_not_drop_the_claims_of_another_in_its_process(tmp_path: Path) -> None:
    """A process that closes any descriptor of a file loses its locks on it."""

    async def run() -> str:
        with Claims(tmp_path / "s.sqlite") as claims:
            async with claims.claim("k", 0, asyncio.Event()):
                with Claims(tmp_path / "s.sqlite"):
                    pass
                taken = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-c",
                    "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB, 0)",
                    claims.path,
                    stderr=subprocess.PIPE,
                )
                return (await taken.communicate())[1].decode()

    assert "BlockingIOError" in asyncio.run(run())


def test_claims_of_a_run_that_hangs_delay_only_their_own_prompts(tmp_path: Path) -> None:
    prompts(tmp_path)
    claimed = [f"question {n}" for n in range(0, COUNT, 2)]
    said: list[str] = []

    class Notes(Silent):
        def note(self, message: str) -> None:
            said.append(message)

    async def run() -> tuple[int, Manifest]:
        free = asyncio.Event()

        def answer(number: int, body: dict[str, Any]) -> Scripted:
            if number + 1 == COUNT - len(claimed):
                free.set()
            return Scripted(completion("4"))

        async with serving(answer) as server:
            config = GenerateConfig(teacher="openai:m", base_url=f"{server.url}/v1", concurrency=4)
            teacher = teachers.build(config.teacher, config.base_url)
            cap = config.max_output_tokens
            with Claims(default_path()) as claims:
                async with AsyncExitStack() as held:
                    for question in claimed:
                        key = keys_of(teacher, Request((Message(role="user", content=question),), cap)).key
                        await held.enter_async_context(claims.claim(key, 0, asyncio.Event()))
                    run = asyncio.to_thread(generate.run, tmp_path / "p.jsonl", tmp_path / "r.jsonl", config, Notes())
                    running = asyncio.create_task(run)
                    await free.wait()
                    before = len(server.requests)
                return before, await running

    before, manifest = asyncio.run(run())
    assert before == COUNT - len(claimed), "all others were asked meanwhile"
    assert manifest.complete and manifest.counts["bought"] == COUNT


def test_a_long_wait_is_said_once_a_minute_with_what_would_end_it() -> None:
    said: list[str] = []

    async def run() -> None:
        waits = Waits(said.append)
        watch = asyncio.create_task(waits.watch())
        with waits.on("the other run"), waits.on("the other run"):
            await asyncio.sleep(29)
            assert not said
            await asyncio.sleep(100)
        await asyncio.sleep(200)
        watch.cancel()

    virtual_time.run(run())
    assert said == [
        "waiting for 30 s now for the other run (2 requests)",
        "waiting for 90 s now for the other run (2 requests)",
    ]
