"""What a rate limit costs: `generate` without any flag against servers with limits, beside the plain SDK.

    python -m tests.benchmarks.limits [SCENARIO...]     (default: all)

Each scenario has its own server process on loopback. The baseline is a bare AsyncOpenAI loop with a semaphore of 64 and
the SDK's own two retries. "ideal" is what the limit allows: (prompts - burst) / rate, and the latency of one answer;
for random refusals, the same run without them, times the 1.25 requests an answer then needs.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.conftest import ROOT

PROMPTS = 300
INPUT_TOKENS, OUTPUT_TOKENS = 20, 50


@dataclass(frozen=True)
class Scenario:
    """`rate` and `burst` in requests, or in tokens where `axis` says so; `refuse` is a share of requests."""

    name: str
    axis: str = "requests"
    rate: float = 1e9
    burst: float = 1e9
    headers: bool = False
    retry_after: bool = False
    refuse: float = 0.0
    latency_s: float = 0.05

    def takes(self) -> float:
        return {"requests": 1, "input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS}[self.axis]

    def ideal_s(self) -> float:
        return (PROMPTS * self.takes() - self.burst) / self.rate + self.latency_s


SCENARIOS = (
    Scenario("20 requests/s, nothing said", rate=20, burst=20),
    Scenario("20 requests/s, Retry-After", rate=20, burst=20, retry_after=True),
    Scenario("20 requests/s, headers", rate=20, burst=20, headers=True, retry_after=True),
    Scenario("400 input tokens/s, headers", "input_tokens", 400, 400, headers=True, retry_after=True),
    Scenario("1000 output tokens/s, headers", "output_tokens", 1000, 1000, headers=True, retry_after=True),
    Scenario("1000 output tokens/s, nothing said", "output_tokens", 1000, 1000),
    Scenario("random 20 % of 429", refuse=0.2, latency_s=0.5),
)


def serve(scenario: Scenario, port: Any) -> None:
    """A server that counts; GET /counts gives answered and refused."""
    lots = random.Random(1)
    level, last = scenario.burst, time.monotonic()
    counts = {"answered": 0, "refused": 0}

    async def answer(request: web.Request) -> web.Response:
        nonlocal level, last
        await request.read()
        now = time.monotonic()
        level, last = min(scenario.burst, level + (now - last) * scenario.rate), now
        missing = scenario.takes() - level
        if missing > 0 or lots.random() < scenario.refuse:
            counts["refused"] += 1
            body = {"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}}
            wait = {"retry-after": str(max(1, round(missing / scenario.rate)))} if scenario.retry_after else {}
            return web.json_response(body, status=429, headers={**headers(), **wait})
        level -= scenario.takes()
        counts["answered"] += 1
        said = headers()
        await asyncio.sleep(scenario.latency_s)
        return web.json_response(completion(), headers=said)

    def headers() -> dict[str, str]:
        if not scenario.headers:
            return {}
        axis = {"requests": "requests"}.get(scenario.axis, scenario.axis.replace("_", "-"))
        if axis == "requests":
            names = ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests")
        else:  # only Anthropic tells input and output apart
            names = (f"anthropic-ratelimit-{axis}-limit", f"anthropic-ratelimit-{axis}-remaining")
        return {names[0]: str(int(scenario.rate * 60)), names[1]: str(max(0, int(level)))}

    async def told(request: web.Request) -> web.Response:
        return web.json_response(counts)

    async def run() -> None:
        app = web.Application()
        app.add_routes([web.post("/v1/chat/completions", answer), web.get("/counts", told)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port.put(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


def completion() -> dict[str, Any]:
    message = {"role": "assistant", "content": "The answer is 4."}
    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS, "total_tokens": 70}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}


def ours(url: str, directory: Path) -> tuple[float, int]:
    """Seconds of the asking, answers kept."""
    prompts = directory / "p.jsonl"
    prompts.write_text("".join(json.dumps({"id": str(n), "question": f"{n:050} + 1?"}) + "\n" for n in range(PROMPTS)))
    command = [
        sys.executable,
        "-m",
        "cotdistill",
        "generate",
        str(prompts),
        "-o",
        str(directory / "r.jsonl"),
        "--quiet",
    ]
    command += ["--teacher", "openai:m", "--base-url", f"{url}/v1", "--no-cache", "--max-output-tokens", "100"]
    began = time.monotonic()
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    return time.monotonic() - began, (directory / "r.jsonl").read_text().count("\n")


def bare(url: str) -> tuple[float, int]:
    import openai

    async def run() -> int:
        slots = asyncio.Semaphore(64)

        async def one(client: openai.AsyncOpenAI, number: int) -> bool:
            async with slots:
                try:
                    messages: Any = [{"role": "user", "content": f"{number:050} + 1?"}]
                    await client.chat.completions.create(model="m", messages=messages)
                except openai.APIError:
                    return False
                return True

        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
            return sum(await asyncio.gather(*(one(client, number) for number in range(PROMPTS))))

    began = time.monotonic()
    kept = asyncio.run(run())
    return time.monotonic() - began, kept


def counts(url: str) -> dict[str, int]:
    import urllib.request

    with urllib.request.urlopen(f"{url}/counts") as reply:
        found: dict[str, int] = json.load(reply)
        return found


def measure(scenario: Scenario, who: str) -> tuple[float, int, int]:
    """Seconds, answers kept, requests refused."""
    context = multiprocessing.get_context("spawn")
    port = context.Queue()
    server = context.Process(target=serve, args=(scenario, port), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{port.get()}"
    try:
        with tempfile.TemporaryDirectory() as directory:
            seconds, kept = ours(url, Path(directory)) if who == "cotdistill" else bare(url)
        return seconds, kept, counts(url)["refused"]
    finally:
        server.kill()


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("scenarios", type=int, nargs="*", default=range(len(SCENARIOS)))
    options.add_argument("--no-baseline", action="store_true")
    chosen = options.parse_args()
    print(f"{'':36}{'ideal s':>8}{'s':>7}{'x ideal':>9}{'429s':>6}{'lost':>6}")
    idle, _, _ = measure(Scenario("free", latency_s=0.0), "cotdistill")
    print(f"{'start, write and end (taken off below)':36}{'':8}{idle:>7.1f}")
    for number in chosen.scenarios:
        scenario = SCENARIOS[number]
        for who in ("cotdistill",) if chosen.no_baseline else ("cotdistill", "AsyncOpenAI"):
            if scenario.refuse:
                free = Scenario("", latency_s=scenario.latency_s)
                ideal = (measure(free, who)[0] - (idle if who == "cotdistill" else 0)) / (1 - scenario.refuse)
            else:
                ideal = scenario.ideal_s()
            seconds, kept, refused = measure(scenario, who)
            seconds -= idle if who == "cotdistill" else 0
            name = scenario.name if who == "cotdistill" else "  AsyncOpenAI, 64, 2 retries"
            print(
                f"{name:36}{ideal:>8.1f}{seconds:>7.1f}{seconds / ideal:>9.2f}{refused:>6}{PROMPTS - kept:>6}",
                flush=True,
            )


if __name__ == "__main__":
    main()
