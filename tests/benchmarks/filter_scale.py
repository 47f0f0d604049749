"""How filter grows: made-up responses through verify, duplicates and a selector, at two sizes.

    python -m tests.benchmarks.filter_scale [--sizes 100000 1000000] [--near] [--contamination] [--workers N] [--ray]

Four samples a prompt, about 1.2 kB each, 70 % right; some problems repeat. Baseline: one pass over the same file
that decodes every line and writes it back, with the standard library's json.

With --ray the same once more through `--engine ray`: whether its files are the local engine's to the byte, and the
peak memory of every process of its own (without what they share, Ray's object store).
"""

import argparse
import filecmp
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
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
            if number % 50 or not question:  # every fiftieth prompt is the one before it under another id
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


def sift(source: Path, target: Path, *words: str) -> tuple[float, dict[str, float]]:
    """Seconds, and the peak memory of processes in MB: `this` is the main one, others go by their names."""
    command = [sys.executable, "-m", "cotdistill", "filter", str(source), "-o", str(target), "--quiet", *words]
    began = time.monotonic()
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True)
    peaks: Counter[str] = Counter()
    while process.poll() is None:
        for name, megabytes in memory(process.pid):
            peaks[name] = max(peaks[name], megabytes)
        time.sleep(0.25)
    assert process.returncode == 0
    return time.monotonic() - began, dict(peaks)


def memory(main: int) -> Iterator[tuple[str, int]]:
    """Name and private memory of a process and of all that it started, as they are now."""
    family = {main}
    for directory in sorted(Path("/proc").glob("[0-9]*"), key=lambda one: int(one.name)):
        try:
            status = dict(line.split(":", 1) for line in (directory / "status").read_text().splitlines())
            if int(directory.name) != main and int(status["PPid"]) not in family:
                continue
            family.add(int(directory.name))
            name = "this" if int(directory.name) == main else role(directory, status["Name"].strip())
            yield name, int(status["RssAnon"].split()[0]) // 1024
        except (OSError, KeyError):
            continue  # it ended meanwhile


def role(process: Path, otherwise: str) -> str:
    """What a Python process does: its script, or `spawned` for one of multiprocessing's, as Ray's driver is."""
    words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    scripts = [Path(word).stem for word in words[1:4] if word.endswith(".py")]
    return scripts[0] if scripts else "spawned" if "spawn_main" in " ".join(words) else otherwise


def same(one: Path, other: Path) -> bool:
    """Whether all files of rows in two directories are equal."""
    names = sorted(path.name for path in one.glob("*.jsonl"))
    return names == sorted(path.name for path in other.glob("*.jsonl")) and all(
        filecmp.cmp(one / name, other / name, shallow=False) for name in names
    )


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    options.add_argument("--workers", default=str(len(os.sched_getaffinity(0))))
    options.add_argument("--near", action="store_true", help="near duplicates too")
    options.add_argument("--contamination", action="store_true", help="against 100 of the questions too")
    options.add_argument("--ray", action="store_true", help="the same through Ray Data")
    chosen = options.parse_args()
    words = ["--select", "shortest:k=1", "--workers", chosen.workers]
    words += ["--filter", "near_duplicate"] if chosen.near else []
    print(f"{'responses':>10}{'MB':>8}{'engine':>8}{'s':>9}{'x copy':>8}{'rows/s':>10}  same bytes, peak MB by process")
    for size in chosen.sizes:
        with tempfile.TemporaryDirectory() as directory:
            folder = Path(directory)
            source = folder / "responses.jsonl"
            write_responses(source, size)
            all_words = list(words)
            if chosen.contamination:
                questions(source, folder / "test.jsonl")
                all_words += ["--filter", f"contamination:against={folder / 'test.jsonl'}"]
            megabytes = source.stat().st_size / 1e6
            copied = copy(source, folder / "copy.jsonl")
            for engine in ["local", "ray"] if chosen.ray else ["local"]:
                (folder / engine).mkdir()
                seconds, peaks = sift(source, folder / engine / "kept.jsonl", "--engine", engine, *all_words)
                equal = "" if engine == "local" else "yes  " if same(folder / "local", folder / engine) else "NO  "
                print(
                    f"{size:>10,}{megabytes:>8.0f}{engine:>8}{seconds:>9.1f}{seconds / copied:>8.2f}"
                    f"{size / seconds:>10,.0f}  {equal}{', '.join(f'{name} {mb:,}' for name, mb in peaks.items())}",
                    flush=True,
                )


def questions(responses: Path, target: Path) -> None:
    """Every thousandth question of the first 100,000 lines or so, as prompts of an evaluation."""
    with responses.open("rb") as lines, target.open("wb") as file:
        for line in islice(lines, 0, 100_000, 1_000):
            file.write(msgspec.json.encode(msgspec.json.decode(line)["prompt"]) + b"\n")


if __name__ == "__main__":
    main()
