"""Two runs at once on one store: each answer is bought once, and a dead run's claims die with it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from cotdistill.dispatch.claims import Claims
from tests.conftest import ROOT
from tests.scripted_server import Scripted, completion, serving

COUNT = 60


def command(tmp_path: Path, url: str, output: str, *more: str) -> list[str]:
    words = ["generate", str(tmp_path / "p.jsonl"), "-o", str(tmp_path / output), "--teacher", "openai:m"]
    return [sys.executable, "-m", "cotdistill", *words, "--base-url", f"{url}/v1", "--quiet", *more]


def prompts(tmp_path: Path) -> None:
    lines = [json.dumps({"id": str(n), "question": f"question {n}", "answer": "4"}) + "\n" for n in range(COUNT)]
    (tmp_path / "p.jsonl").write_text("".join(lines))


async def start(words: list[str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *words, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE
    )


def slow(number: int, body: dict[str, Any]) -> Scripted:
    return Scripted(completion(body["messages"][-1]["content"]), delay_s=0.15)


def test_two_runs_on_one_store_buy_each_answer_once_and_write_the_same(tmp_path: Path) -> None:
    prompts(tmp_path)

    async def run() -> list[str]:
        async with serving(slow) as server:
            both = [await start(command(tmp_path, server.url, f"{n}.jsonl", "--concurrency", "4")) for n in range(2)]
            for one in both:
                _, said = await one.communicate()
                assert one.returncode == 0, said.decode()
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
            hanging = await start(command(tmp_path, server.url, "0.jsonl", "--concurrency", "4"))
            await begun.wait()
            hanging.send_signal(signal.SIGKILL)
            await hanging.communicate()
            killed.set()
            again = await start(command(tmp_path, server.url, "1.jsonl"))
            _, said = await asyncio.wait_for(again.communicate(), 40)
            assert again.returncode == 0, said.decode()
            return len(server.requests)

    assert asyncio.run(run()) <= COUNT + 4


def test_a_claim_is_held_by_one_request_at_a_time_also_within_one_process(tmp_path: Path) -> None:
    order: list[str] = []

    async def one(name: str) -> None:
        with Claims(tmp_path / "s.sqlite") as claims:
            async with claims.of("k", 0, asyncio.Event()):
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
            async with claims.of("k", 0, asyncio.Event()):
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
