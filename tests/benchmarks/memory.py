"""How generate grows: peak memory with an instant teacher at two sizes, and how fast a run is read from the store.

    python -m tests.benchmarks.memory [--sizes 1000 200000] [--again 100000]

The teacher is a plug-in in the measured process that answers at once, about 1.5 kB each, so what grows is generate's
own. The second run of the same command, with every answer in the store, is timed as a whole, start of Python included.
Baseline: a loop that reads every row of the store, decodes the provider's JSON and writes the text, with sqlite3, zlib
and json alone.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

from tests.conftest import ROOT

INSTANT = '''
import json
from dataclasses import dataclass, field

from cotdistill.teachers.openai import Teacher as OpenAI

WORKED = "First we add what is given, and then we check that it is so. " * 18


@dataclass
class Teacher(OpenAI):
    """Answers at once."""

    base_url: str = "http://127.0.0.1:1/v1"
    provider: str = field(default="instant", init=False)

    async def ask(self, request, idempotency_key):
        message = {"role": "assistant", "content": idempotency_key[-9:], "reasoning_content": WORKED}
        usage = {"prompt_tokens": 30, "completion_tokens": 300, "total_tokens": 330}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return self.read(json.dumps({"id": "c", "model": "m", "choices": [choice], "usage": usage}).encode())
'''


def write_prompts(path: Path, count: int) -> None:
    with path.open("w") as file:
        for number in range(count):
            file.write(json.dumps({"id": f"p{number}", "question": f"What is {number} + {number % 7}?"}) + "\n")


def generate(directory: Path, count: int) -> tuple[float, float]:
    """Seconds and peak memory in MB of one run on `count` prompts; answers stay in the directory's store."""
    prompts, teacher = directory / f"p{count}.jsonl", directory / "instant.py"
    write_prompts(prompts, count)
    teacher.write_text(INSTANT)
    command = [sys.executable, "-m", "cotdistill", "generate", str(prompts), "-o", str(directory / f"r{count}.jsonl")]
    command += ["--teacher", f"{teacher}:m", "--cache", str(directory / f"store{count}.sqlite"), "--quiet"]
    began = time.monotonic()
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.monotonic() - began, usage.ru_maxrss / 1024


def bare(store: Path, target: Path) -> float:
    began = time.monotonic()
    with sqlite3.connect(store) as connection, target.open("w") as file:
        for key, raw in connection.execute("SELECT key, raw FROM answers"):
            message = json.loads(zlib.decompress(raw))["choices"][0]["message"]
            file.write(json.dumps({"key": key, **message}) + "\n")
    return time.monotonic() - began


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--sizes", type=int, nargs="*", default=[1_000, 200_000])
    options.add_argument("--again", type=int, default=100_000)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        print(f"{'prompts':>9}{'s':>9}{'responses/s':>13}{'peak MB':>9}")

        def tell(count: int, seconds: float, peak: str, what: str) -> None:
            print(f"{count:>9}{seconds:>9.1f}{count / seconds:>13.0f}{peak:>9}  {what}", flush=True)

        for count in chosen.sizes:
            seconds, peak = generate(directory, count)
            tell(count, seconds, f"{peak:.0f}", "asked, an instant teacher")
        if not chosen.again:
            return
        if chosen.again not in chosen.sizes:
            generate(directory, chosen.again)
        seconds, peak = generate(directory, chosen.again)
        tell(chosen.again, seconds, f"{peak:.0f}", "the same command again, from the store")
        seconds = bare(directory / f"store{chosen.again}.sqlite", directory / "bare.jsonl")
        tell(chosen.again, seconds, "", "a bare loop over the store")


if __name__ == "__main__":
    main()
