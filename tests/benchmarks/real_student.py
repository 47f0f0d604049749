"""What a real small model learns: base, answers only and chains of thought, on problems held out from training.

    python -m tests.benchmarks.real_student words [TRAIN] [HELD_OUT] [SEED]
    python -m tests.benchmarks.real_student gsm8k [TRAIN] [HELD_OUT] [SEED] [RECORDED]
    python -m tests.benchmarks.real_student methods [TRAIN] [HELD_OUT] [SEED]

`words`: word problems of two to four steps, written here, answered by a simulated teacher that replays their worked
solutions. `gsm8k`: recorded solutions to GSM8K's 1,319 test problems (RECORDED, example_model_solutions.jsonl of
Cobbe et al. 2021), split by question, so that no held-out question was trained on. The student is SmolLM2-135M-Instruct
(`make smollm2`), LoRA, two epochs. `methods`: the chains of thought of `words` by `--method lora` and by `--method
full`, each with nothing else chosen, as a person who takes the defaults trains. Everything goes through the commands
a person would type.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.word_problems import distinct
from tests.conftest import mock_teacher
from tests.test_gsm8k_replay import RECORDED, SAMPLES


def words(directory: Path, train: int, held_out: int, seed: int) -> tuple[Path, int]:
    """Write problems; gives what the teacher replays, and how many solutions it has of each."""
    _write(directory, distinct(train + held_out, seed), train, held_out)
    return directory / "recorded.jsonl", 1


def gsm8k(directory: Path, train: int, held_out: int, seed: int, recorded: Path) -> tuple[Path, int]:
    rows = [json.loads(line) for line in recorded.read_text().splitlines()]
    random.Random(seed).shuffle(rows)
    questions = [{"question": row["question"], "reference": row["ground_truth"]} for row in rows]
    _write(directory, questions, train, held_out)
    return recorded, SAMPLES


def _write(directory: Path, rows: list[dict[str, str]], train: int, held_out: int) -> None:
    rows = rows[: train + held_out]
    for name, part in (("prompts", rows[:-held_out]), ("heldout", rows[-held_out:]), ("recorded", rows)):
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))


@dataclass
class _Typed:
    """Commands as a person would type them, in one directory, each with its seconds."""

    directory: Path

    def __call__(self, *words: str) -> None:
        began = time.monotonic()
        command = [sys.executable, "-m", "cotdistill", *words, "--quiet", "--log-format", "json"]
        subprocess.run(command, cwd=self.directory, check=True)
        print(f"  {time.monotonic() - began:7.1f} s  cotdistill {words[0]}", flush=True)


def run(directory: Path, recorded: Path, samples: int) -> None:
    cotdistill = _kept(directory, recorded, samples)
    for arm, layout in (("cot", "prompt_completion"), ("answers", "answer_only")):
        cotdistill("format", "kept.jsonl", "-o", f"{arm}.jsonl", "--format", layout, "--holdout", "0")
        how = ["--student", "smollm2-135m", "--epochs", "2", "--batch-size", "8", "--learning-rate", "1e-3"]
        cotdistill("finetune", f"{arm}.jsonl", "-o", arm, *how)
    _compare(cotdistill, "cot", "answers", "smollm2-135m")


def run_methods(directory: Path, recorded: Path, samples: int, seed: int) -> None:
    cotdistill = _kept(directory, recorded, samples)
    cotdistill("format", "kept.jsonl", "-o", "cot.jsonl", "--format", "prompt_completion", "--holdout", "0")
    for method in ("lora", "full"):
        chosen = ["--student", "smollm2-135m", "--method", method, "--seed", str(seed)]
        cotdistill("finetune", "cot.jsonl", "-o", method, *chosen)
    _compare(cotdistill, "lora", "full")


def _kept(directory: Path, recorded: Path, samples: int) -> _Typed:
    cotdistill = _Typed(directory)
    with mock_teacher("--replay", str(recorded)) as server:
        teacher = ["--teacher", "openai:recorded", "--base-url", f"{server}/v1", "--no-cache"]
        cotdistill("generate", "prompts.jsonl", "-o", "responses.jsonl", *teacher, "--samples", str(samples))
    cotdistill("filter", "responses.jsonl", "-o", "kept.jsonl", "--verify", "math", "--select", "shortest:k=1")
    return cotdistill


def _compare(cotdistill: _Typed, student: str, *baselines: str) -> None:
    against = [word for baseline in baselines for word in ("--baseline", baseline)]
    limit = ["--max-output-tokens", "256"]
    cotdistill("evaluate", "heldout.jsonl", "-o", "scores.json", "--student", student, *against, *limit)
    for score in json.loads((cotdistill.directory / "scores.json").read_text())["students"]:
        low, high = score["interval"]
        print(f"{score['student']:<14} {score['accuracy']:6.1%}  [{low:.1%}, {high:.1%}]", flush=True)


def main() -> None:
    which, *rest = sys.argv[1:] or ["words"]
    train, held_out, seed = (int(given) for given in [*rest[:3], *("200", "100", "0")[len(rest[:3]) :]])
    directory = Path(tempfile.mkdtemp(prefix="real-student-"))
    print(f"{which}: {train} problems to train on, {held_out} held out, seed {seed}, in {directory}", flush=True)
    if which == "words":
        run(directory, *words(directory, train, held_out, seed))
    elif which == "methods":
        run_methods(directory, *words(directory, train, held_out, seed), seed)
    else:
        recorded = Path(rest[3]) if len(rest) > 3 else RECORDED
        run(directory, *gsm8k(directory, train, held_out, seed, recorded))


if __name__ == "__main__":
    main()
