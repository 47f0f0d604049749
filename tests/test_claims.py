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


def test_an_answer_that_came_while_waiting_is_given_instead_of_the_turn_to_ask(tmp_path: Path) -> None:
    async def run() -> list[Any]:
        found: list[Any] = []
        with Claims(tmp_path / "s.sqlite", lambda key, sample: None) as claims:
            async with claims.of("k", 0, asyncio.Event()) as bought:
                found.append(bought)
        known: Any = object()
        with Claims(tmp_path / "s.sqlite", lambda key, sample: known) as claims:
            async with claims.of("k", 0, asyncio.Event()) as bought:
                found.append(bought is known)
        return found

    assert asyncio.run(run()) == [None, True]
