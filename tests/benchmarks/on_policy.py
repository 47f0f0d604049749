"""What a student learns from its own answers, beside as many further steps on the rows that it knows.

    python -m tests.benchmarks.on_policy [--seeds N] [--first-seed N] [--steps N] [--teacher local|vllm|sglang] [--kill]

The embedded task: chains of last-digit operations, a teacher of the embedded student's size trained on 2,000 right
traces, and students that have seen a few hundred of them. How many a student needs to be half right differs from seed
to seed, so each begins from the first of `ROWS` after which it is right on 40 to 65 % of 300 held-out problems; where
none is, from the nearest. Then: `--steps` on its own answers to 2,000 prompts, scored by the teacher; or as many steps
on its rows. `--kill` kills one run with SIGKILL after half its steps, resumes it, and compares the weights.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from cotdistill.config import EvaluateConfig, FinetuneConfig
from cotdistill.mock import problems
from cotdistill.mock.problems import Problem
from cotdistill.progress import Silent
from cotdistill.stages import evaluate
from cotdistill.stages import finetune as stage
from cotdistill.statistics import wilson
from tests.training_runs import right_trace, rows_of, write

ROWS = (240, 260, 220, 280, 200)
"""In the order in which they are tried."""
HALF_RIGHT = 0.40, 0.65
PROBLEMS, HELD_OUT = 2_000, 300
SFT_STEPS, TEACHER_STEPS, BATCH_SIZE = 600, 900, 16
MOST_TOKENS = 128


def write_prompts(path: Path, chosen: list[Problem]) -> None:
    lines = (msgspec.json.encode(one.as_prompt(f"p{number}")) + b"\n" for number, one in enumerate(chosen))
    path.write_bytes(b"".join(lines))


def finetune(source: Path, output: Path, student: str | Path, **more: Any) -> float:
    """CPU seconds of the run. All runs but the killed one share this process: to import torch costs more than most."""
    config = FinetuneConfig(student=str(student), method="full", batch_size=BATCH_SIZE, threads=1, **more)
    began = time.process_time()
    stage.run(source, output, config, Silent())
    return time.process_time() - began


def right(folder: Path, student: Path) -> int:
    scores = folder / f"{student.name}.scores.json"
    evaluate.run(folder / "held.jsonl", scores, EvaluateConfig(student=str(student), threads=1), Silent())
    return int(json.loads(scores.read_text())["students"][0]["correct"])


def half_right(folder: Path, train: list[Problem], seed: int) -> tuple[Path, Path, int]:
    """Rows, the student that they made, and how often it is right."""
    found: list[tuple[float, Path, Path, int]] = []
    for count in ROWS:
        rows, student = folder / f"rows{count}.jsonl", folder / f"sft{count}"
        write(rows, rows_of((one, right_trace(one)) for one in train[:count]))
        finetune(rows, student, "tiny", max_steps=SFT_STEPS, seed=seed)
        correct = right(folder, student)
        share = correct / HELD_OUT
        found.append((abs(share - sum(HALF_RIGHT) / 2), rows, student, correct))
        if HALF_RIGHT[0] <= share <= HALF_RIGHT[1]:
            break
    return min(found)[1:]


@contextmanager
def teacher_of(kind: str, teacher: Path) -> Iterator[dict[str, str]]:
    """The options that name it, with a server that stands in for vLLM or SGLang where one is wanted."""
    if kind == "local":
        yield {"teacher": f"local:{teacher}"}
        return
    words = [sys.executable, "-m", "cotdistill", "mock-teacher", "--port", "0", "--scorer", str(teacher)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        url = server.stderr.readline().rpartition(" ")[2].strip()
        try:
            yield {"teacher": f"{kind}:simulated", "base_url": f"{url}/v1"}
        finally:
            server.terminate()


def one_seed(folder: Path, seed: int, steps: int, teacher: Path, kind: str) -> dict[str, Any]:
    drawn = problems.generate(PROBLEMS + HELD_OUT, seed)
    folder.mkdir(parents=True, exist_ok=True)
    write_prompts(folder / "prompts.jsonl", drawn[:PROBLEMS])
    write_prompts(folder / "held.jsonl", drawn[PROBLEMS:])
    rows, student, start = half_right(folder, drawn, seed)
    found: dict[str, Any] = {"seed": seed, "rows": int(rows.stem.removeprefix("rows")), "start": start}
    with teacher_of(kind, teacher) as options:
        own = {"on_policy": steps, "max_output_tokens": MOST_TOKENS, "seed": seed, **options}
        found["cpu_s"] = finetune(folder / "prompts.jsonl", folder / "own", student, **own)
    manifest = json.loads((folder / "own" / "manifest.json").read_text())
    found["tokens"] = manifest["counts"]["trained_tokens"]
    found["own"] = right(folder, folder / "own")
    found["more_cpu_s"] = finetune(rows, folder / "more", student, max_steps=steps, seed=seed + 100)
    found["more"] = right(folder, folder / "more")
    return found


def share(correct: int, of: int = HELD_OUT) -> str:
    low, high = wilson(correct, of)
    return f"{correct / of:6.1%} [{low:.1%}, {high:.1%}]"


def show(found: dict[str, Any]) -> None:
    print(
        f"{found['seed']:<5}{found['rows']:>5}  {share(found['start']):<24}{share(found['own']):<24}"
        f"{share(found['more']):<24}{found['tokens']:>10,}{found['cpu_s']:>8.0f}{found['more_cpu_s']:>8.0f}",
        flush=True,
    )


def same_after_a_kill(folder: Path, student: Path, steps: int, teacher: Path) -> bool:
    """Kills a run after half its steps, resumes it, and compares all bytes of the weights with an undisturbed run's."""
    options = {
        "on_policy": steps,
        "max_output_tokens": MOST_TOKENS,
        "teacher": f"local:{teacher}",
        "checkpoint_minutes": 0,
    }
    finetune(folder / "prompts.jsonl", folder / "whole", student, **options)
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    words += [f"--student={student}", "--method=full", f"--batch-size={BATCH_SIZE}", "--threads=1", "--quiet"]
    command = ["-m", "cotdistill", "finetune", folder / "prompts.jsonl", "-o", folder / "killed", *words]
    half = folder / f"killed.partial/checkpoints/checkpoint-{steps // 2}/finished"
    with subprocess.Popen([sys.executable, *map(str, command)]) as process:
        while process.poll() is None and not half.exists():
            time.sleep(0.5)
        os.kill(process.pid, signal.SIGKILL)
    finetune(folder / "prompts.jsonl", folder / "killed", student, **options, resume=True)
    one, other = ((folder / name / "model.safetensors").read_bytes() for name in ("whole", "killed"))
    return one == other


def run(seeds: range, steps: int, directory: Path, kind: str, *, kill: bool) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    teacher = directory / "teacher"
    if not teacher.exists():
        write(
            directory / "teacher.jsonl",
            rows_of((one, right_trace(one)) for one in problems.generate(PROBLEMS, 1_000_000)),
        )
        finetune(directory / "teacher.jsonl", teacher, "tiny", max_steps=TEACHER_STEPS)
    print(f"teacher: {kind}; {steps} steps of {BATCH_SIZE}, {HELD_OUT} held-out problems, Wilson intervals of 95 %")
    print(
        f"{'seed':<5}{'rows':>5}  {'start':<24}{'own answers':<24}{'more of the rows':<24}{'tokens':>10}"
        f"{'CPU s':>8}{'more':>8}"
    )
    table = []
    for seed in seeds:
        table.append(one_seed(directory / f"seed{seed}", seed, steps, teacher, kind))
        show(table[-1])
    total = HELD_OUT * len(table)
    sums = {name: sum(one[name] for one in table) for name in ("start", "own", "more")}
    if table:
        print("all   " + " " * 6 + "".join(f"{share(sums[name], total):<24}" for name in sums))
    if kill:
        first = directory / f"seed{seeds[0]}"
        student = first / f"sft{table[0]['rows']}"
        print("weights after SIGKILL and --resume:", end=" ", flush=True)
        print("the same" if same_after_a_kill(first, student, steps, teacher) else "OTHERS")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--teacher", choices=("local", "vllm", "sglang"), default="local")
    parser.add_argument("--directory", type=Path, default=None)
    parser.add_argument("--kill", action="store_true")
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    run(seeds, given.steps, given.directory or Path(tempfile.mkdtemp()), given.teacher, kill=given.kill)
