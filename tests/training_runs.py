"""Trainings of the embedded student: rows to train on, the command, and what a run logged."""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cotdistill.config import FinetuneConfig
from cotdistill.mock import problems
from cotdistill.mock.problems import Problem
from cotdistill.mock.solver import solve
from cotdistill.progress import Silent
from tests.command_server import Command
from tests.conftest import start

STEPS = 60


def save_tiny(folder: Path) -> Path:
    """The embedded student as a model directory."""
    from cotdistill.students import load

    for part in load.student("tiny"):
        part.save_pretrained(folder)
    return folder


def row_of(name: str, question: str, trace: str, answer: str) -> dict[str, Any]:
    """A training row in the default layout."""
    turn = {"role": "assistant", "reasoning_content": trace, "content": answer}
    return {"id": f"{name}/0", "prompt": [{"role": "user", "content": question}], "completion": [turn]}


def rows_of(solved: Iterable[tuple[Problem, tuple[str, str]]]) -> list[dict[str, Any]]:
    """Problems with trace and answer, as rows."""
    return [row_of(f"p{number}", one.text, *answer) for number, (one, answer) in enumerate(solved)]


def chain_rows(count: int, seed: int = 0, **chosen: Any) -> list[dict[str, Any]]:
    """Chains as the embedded teacher solves them; `chosen` is what `problems.generate` takes."""
    return rows_of((problem, solve(problem, 0)) for problem in problems.generate(count, seed, **chosen))


def right_trace(problem: Problem) -> tuple[str, str]:
    """Trace and answer without the embedded teacher's habit: what filter would keep."""
    digit, lines = problem.start, []
    for step in problem.steps:
        result = step.apply(digit)
        lines.append(f"{step.name}={digit}{step.operator}{step.operand}={result}")
        digit = result
    return " ".join(lines), str(digit)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def tiny_config(**more: Any) -> FinetuneConfig:
    return FinetuneConfig(**{"student": "tiny", "max_steps": STEPS, "batch_size": 8, "threads": 1, **more})


def losses(student: Path) -> list[tuple[int, float]]:
    logged = [json.loads(line) for line in (student / "metrics.jsonl").read_text().splitlines()]
    return [(entry["step"], entry["loss"]) for entry in logged if "loss" in entry]


def strike(signal: int, after_step: int) -> str:
    """To run in a process before its training: the signal strikes it once the checkpoint of that step is written."""
    return f"""
import os
from cotdistill.training import checkpoints
finish = checkpoints.finish
checkpoints.finish = lambda one: (finish(one), one.name == "checkpoint-{after_step}" and os.kill(os.getpid(), {signal}))
"""


def training(folder: Path, *more: str, before: str = "") -> Command:
    """In a process of its own, with a checkpoint after each step; `before` is run in it first."""
    words = ["finetune", str(folder / "train.jsonl"), "-o", str(folder / "student"), "--student", "tiny"]
    words += ["--max-steps", str(STEPS), "--batch-size", "8", "--threads", "1", "--checkpoint-minutes", "0", *more]
    return start(*words, before=before)


def wait_for(condition: Callable[[], object], process: Command) -> None:
    """Until the process ends, or pytest's time limit ends the test."""
    while not condition():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)


class Pulled(Silent):
    """A plug pulled at one step: what the run meant to do afterwards is not done."""

    def __init__(self, at: int) -> None:
        self.at = at

    def update(self, done: int, detail: str = "") -> None:
        if done == self.at:
            raise ConnectionResetError
