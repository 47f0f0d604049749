"""What a request costs: `generate` against a bare loop over the official SDK on its default transport.

    python -m tests.benchmarks.throughput [--prompts 5000] [--concurrency 256] [--repeat 3] [--cache]

One server in a process of its own answers after 50 ms with about 4 kB. Each client is a process too, measured as a
whole by the operating system: start of Python, imports and, for `generate`, store, artifact and manifest are in its
figures. The bare loop keeps nothing but the texts. Runs of all clients take turns; of each figure the least counts,
for others may use the machine.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from tests.conftest import ROOT

DELAY_S = 0.05
WORKED = "First we add what is given, and then we check that it is so. " * 60
ANSWERS = {
    "/v1/chat/completions": {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "The answer is 4.", "reasoning_content": WORKED},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 30, "completion_tokens": 1200, "total_tokens": 1230},
    },
    "/v1/messages": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": WORKED, "signature": "c2ln"},
            {"type": "text", "text": "The answer is 4."},
        ],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 30, "output_tokens": 1200},
    },
}

BARE_OPENAI = """
import asyncio, json, sys
from openai import AsyncOpenAI

async def main(prompts, url, most):
    turns = asyncio.Semaphore(most)
    async with AsyncOpenAI(api_key="unused", base_url=url + "/v1") as client:
        async def ask(question):
            async with turns:
                reply = await client.chat.completions.create(
                    model="m", max_tokens=2000, messages=[{"role": "user", "content": question}])
            return reply.choices[0].message.content
        questions = [json.loads(line)["question"] for line in open(prompts)]
        return await asyncio.gather(*map(ask, questions))

print(len(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
"""

BARE_ANTHROPIC = """
import asyncio, json, sys
from anthropic import AsyncAnthropic

async def main(prompts, url, most):
    turns = asyncio.Semaphore(most)
    async with AsyncAnthropic(api_key="unused", base_url=url) as client:
        async def ask(question):
            async with turns:
                reply = await client.messages.create(
                    model="m", max_tokens=2000, messages=[{"role": "user", "content": question}],
                    thinking={"type": "adaptive", "display": "summarized"})
            return reply.content[-1].text
        questions = [json.loads(line)["question"] for line in open(prompts)]
        return await asyncio.gather(*map(ask, questions))

print(len(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
"""


class Spent(NamedTuple):
    """Of one process: seconds by the clock, seconds of CPU, MB at its peak."""

    wall_s: float
    cpu_s: float
    peak_mb: float


async def serve() -> None:
    """Until stdin closes; says its port first."""
    bodies = {path: json.dumps(answer).encode() for path, answer in ANSWERS.items()}

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(DELAY_S)
        return web.Response(body=bodies[request.path], content_type="application/json")

    app = web.Application()
    for path in bodies:
        app.router.add_post(path, answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=2048).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


@contextmanager
def serving() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.benchmarks.throughput", "--serve"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


def measure(command: list[str], bytecode: Path) -> Spent:
    """`bytecode` is where Python keeps compiled modules: an installed package is not compiled at each start."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(bytecode)}
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, *command], env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return Spent(time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def generate(directory: Path, prompts: Path, provider: str, url: str, most: int, *, cache: bool = False) -> list[str]:
    output = directory / f"{provider}-{time.monotonic_ns()}.jsonl"
    base = url + ("/v1" if provider == "openai" else "")
    words = ["generate", str(prompts), "-o", str(output), "--teacher", f"{provider}:m", "--base-url", base]
    return [
        "-m",
        "cotdistill",
        *words,
        "--max-output-tokens",
        "2000",
        "--concurrency",
        str(most),
        *(["--cache", str(output.with_suffix(".sqlite"))] if cache else ["--no-cache"]),
        "--quiet",
    ]


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--prompts", type=int, default=5_000)
    options.add_argument("--concurrency", type=int, default=256)
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--cache", action="store_true", help="a new store that stays, in place of --no-cache")
    options.add_argument("--only", choices=["openai", "anthropic"], help="one of the two")
    options.add_argument("--serve", action="store_true", help="only the server")
    chosen = options.parse_args()
    if chosen.serve:
        asyncio.run(serve())
        return
    with tempfile.TemporaryDirectory() as name, serving() as url:
        directory = Path(name)
        prompts, few = directory / "prompts.jsonl", directory / "few.jsonl"
        lines = [json.dumps({"id": f"p{n}", "question": f"What is {n} + {n % 7}?"}) for n in range(chosen.prompts)]
        prompts.write_text("\n".join(lines) + "\n")
        few.write_text(lines[0] + "\n")
        print(f"{'':<28}{'wall s':>8}{'CPU s':>8}{'ms/request':>12}{'peak MB':>9}")
        for provider, code in (("openai", BARE_OPENAI), ("anthropic", BARE_ANTHROPIC)):
            if chosen.only not in (None, provider):
                continue

            def asked(of: Path, provider: str = provider) -> Spent:
                command = generate(directory, of, provider, url, chosen.concurrency, cache=chosen.cache)
                return measure(command, directory / "bytecode")

            def looped(of: Path, code: str = code) -> Spent:
                return measure(["-c", code, str(of), url, str(chosen.concurrency)], directory / "bytecode")

            asked(few), looped(few)  # compiled once, not measured
            turns = [(asked(prompts), looped(prompts)) for _ in range(chosen.repeat)]
            ours, bare = zip(*turns, strict=True)
            for what, runs in ((f"generate, {provider}", ours), (f"bare SDK loop, {provider}", bare)):
                tell(what, [min(figures) for figures in zip(*runs, strict=True)], chosen.prompts)
            tell("  one prompt only", min(asked(few) for _ in range(chosen.repeat)), 1)


def tell(what: str, spent: "list[float] | Spent", prompts: int) -> None:
    wall_s, cpu_s, peak_mb = spent
    print(f"{what:<28}{wall_s:>8.2f}{cpu_s:>8.2f}{1000 * cpu_s / prompts:>12.2f}{peak_mb:>9.0f}", flush=True)


if __name__ == "__main__":
    main()
