"""How filter grows: made-up responses through verify, duplicates and a selector, at two sizes.

    python -m tests.benchmarks.filter_scale [--sizes 100000 1000000] [--near] [--workers N]

Four samples a prompt, about 1.2 kB each, 70 % right; some problems repeat. Baseline: one pass over the same file
that decodes every line and writes it back, with the standard library's json.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from tests.conftest import ROOT, make_prompt, make_response

SAMPLES = 4


def write_responses(path: Path, count: int) -> None:
    lots = random.Random(0)
    words = ["".join(lots.choices("abcdefghijklmnop", k=lots.randint(3, 9))) for _ in range(3000)]
    with path.open("wb") as file:
        question = ""
        for number in range(count // SAMPLES):
            if number % 50:  # every fiftieth prompt is the one before it under another id
                question = " ".join(lots.choices(words, k=35)) + f" {number}?"
            prompt = make_prompt(f"p{number}", question, str(number % 97), tags={"level": str(number % 5)})
            for sample in range(SAMPLES):
                steps = "\n".join(
                    f"Step {n}: {lots.choice(words)} {lots.choice(words)} {n * 7} + {sample} = {n * 7 + sample}"
                    for n in range(18)
                )
                answer = number % 97 if lots.random() < 0.7 else number % 89
                response = make_response(f"The answer is {answer}.", prompt, sample=sample, reasoning=steps)
                file.write(msgspec.json.encode(response) + b"\n")


def copy(source: Path, target: Path) -> float:
    began = time.monotonic()
    with source.open() as lines, target.open("w") as out:
        for line in lines:
            out.write(json.dumps(json.loads(line)) + "\n")
    return time.monotonic() - began


def sift(source: Path, target: Path, *words: str) -> tuple[float, float]:
    """Seconds, and the main process's peak memory in MB."""
    command = [sys.executable, "-m", "cotdistill", "filter", str(source), "-o", str(target), "--quiet", *words]
    began = time.monotonic()
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.monotonic() - began, usage.ru_maxrss / 1024


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    options.add_argument("--workers", default=str(len(os.sched_getaffinity(0))))
    options.add_argument("--near", action="store_true", help="near duplicates too")
    chosen = options.parse_args()
    words = ["--select", "shortest:k=1", "--workers", chosen.workers]
    words += ["--filter", "near_duplicate"] if chosen.near else []
    print(f"{'responses':>10}{'MB':>8}{'copy s':>9}{'filter s':>10}{'x copy':>8}{'rows/s':>10}{'peak MB':>9}")
    for size in chosen.sizes:
        with tempfile.TemporaryDirectory() as directory:
            source = Path(directory) / "responses.jsonl"
            write_responses(source, size)
            copied = copy(source, Path(directory) / "copy.jsonl")
            seconds, memory = sift(source, Path(directory) / "kept.jsonl", *words)
            megabytes = source.stat().st_size / 1e6
            print(
                f"{size:>10,}{megabytes:>8.0f}{copied:>9.1f}{seconds:>10.1f}{seconds / copied:>8.2f}"
                f"{size / seconds:>10,.0f}{memory:>9.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
