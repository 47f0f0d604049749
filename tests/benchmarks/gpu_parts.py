"""The parts of `gpu.py`, each of which runs in a process of its own, so that none inherits another's kernels or memory:

    python -m tests.benchmarks.gpu_parts PART '{"option": "value"}'

The last line of stdout is what was found, as JSON. With GPU_PARTS_WAIT in the environment it begins when
stdin ends: what it imports is loaded by then.
"""

import contextlib
import importlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.gpu_models import SHAPES, model_of, peak_gb, rows_of_a_long_tail, saved, wait, wider
from tests.benchmarks.gpu_plan import TAUGHT_BY

Options = dict[str, Any]
Found = dict[str, Any]


def train_ours(options: Options) -> Found:
    """finetune's own training; a `loss` that asks a teacher has one that is twice as wide."""
    from cotdistill.config import FinetuneConfig
    from cotdistill.progress import Silent
    from cotdistill.students import tiny
    from cotdistill.training import packing, precision, preference
    from cotdistill.training.objective import Objective
    from cotdistill.training.prepared import Job
    from cotdistill.training.schedule import schedule
    from cotdistill.training.train import train

    shape, count_waits = SHAPES[options.pop("shape")], options.pop("waits", False)
    given = {"student": "random", "batch_size": 32, "learning_rate": 1e-4, "epochs": 1, **options}
    with tempfile.TemporaryDirectory() as work:
        if options.get("loss") in TAUGHT_BY:
            given["teacher"] = f"local:{saved(wider(shape), Path(work) / 'teacher', 1)}"
        config = FinetuneConfig(**given)
        rows = rows_of_a_long_tail(shape, (1 + config.on_pairs) * (config.max_steps or 1) * (config.batch_size or 1))
        tokenizer = tiny.tokenizer()
        objective = Objective.of(config, tokenizer, rows.longest) if config.teacher else None
        model = model_of(shape)
        weights = sum(weight.numel() for weight in model.parameters())
        precision.prepare(model, config)
        parts: dict[str, Any] = {"config": config, "tokenizer": tokenizer, "model": model, "rows": rows}
        if config.on_pairs:
            pairs = preference.PairBatches.of(model, 0.1, config)
            job = Job(**parts, schedule=preference.schedule(rows, config), batch_source=pairs)
        else:
            readers = objective.readers(model) if objective else {"the student": model}
            packed = packing.chosen(config, readers, rows).value != "none"
            job = Job(**parts, schedule=schedule(rows, config, packed=packed), objective=objective)
        planned = job.schedule
        with waits(count_waits) as waited:
            made = train(job, Path(work), Silent(), trial=planned.steps)  # without a checkpoint of 9 GB
    losses = [entry["loss"] for entry in made.history if "loss" in entry]
    return {
        "tokens_per_s": made.tokens_per_s, "warm_up_s": made.warm_up_s, "weights": weights,
        "lora": config.method == "lora", "packed": planned.packed, "fused": made.fused,
        "padding": planned.padding_share, "twice": made.checkpointing, "losses": losses,
        **({"waits": dict(waited.most_common(12)), "steps": made.steps} if count_waits else {}),
    }  # fmt: skip


@contextlib.contextmanager
def waits(wanted: bool) -> Iterator[Counter[str]]:
    """How often the processor waited for the GPU, by the line that did: torch warns of each such call."""
    import torch

    found: Counter[str] = Counter()
    if not wanted:
        yield found
        return

    def count(message: Warning | str, _: object, file: str, line: int, *rest: object) -> None:
        if "synchronizing" in str(message):
            found[f"{'/'.join(Path(file).parts[-2:])}:{line}"] += 1

    shown = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = count  # type: ignore[assignment]
        torch.set_warn_always(True)
        if torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("warn")
        try:
            yield found
        finally:
            torch.set_warn_always(False)
            warnings.showwarning = shown
            if torch.cuda.is_available():
                torch.cuda.set_sync_debug_mode("default")


def train_trl(options: Options) -> Found:
    """SFTTrainer as it comes, given the tokens."""
    import torch
    from peft import LoraConfig

    from cotdistill.students import tiny
    from tests.benchmarks.trl_loop import train_with_trl

    shape, batch_size, steps = SHAPES[options["shape"]], options["batch_size"], options["max_steps"]
    rows = rows_of_a_long_tail(shape, batch_size * steps)
    marks: list[tuple[float, int]] = []
    model = model_of(shape)
    weights = sum(weight.numel() for weight in model.parameters())

    def after_step(read: int) -> None:
        wait()
        marks.append((time.monotonic(), read))

    lora = options["method"] == "lora"
    peft = LoraConfig(r=32, lora_alpha=64, target_modules="all-linear", task_type="CAUSAL_LM") if lora else None
    settings = {
        "max_steps": steps, "per_device_train_batch_size": batch_size, "use_cpu": not torch.cuda.is_available(),
    }  # fmt: skip
    train_with_trl(model, tiny.tokenizer(), rows, after_step, peft=peft, **settings)
    speed = (marks[-1][1] - marks[2][1]) / (marks[-1][0] - marks[2][0])
    return {"tokens_per_s": speed, "weights": weights, "lora": lora}


def answers(options: Options) -> Found:
    """Tokens a second, greedy and sampled by turns; the better of two turns each, for the first one compiles."""
    import torch

    from cotdistill.students import tiny
    from cotdistill.students.generator import Generator
    from cotdistill.students.prompts import Prompt

    made = Generator.of(model_of(SHAPES[options["shape"]]).to(torch.bfloat16).eval(), tiny.tokenizer())
    prompts = [Prompt([7 + row % 100] * 64, False) for row in range(options["rows"])]
    speeds: dict[str, list[float]] = {"greedy": [], "sampled": []}
    with torch.inference_mode():
        for name in ("greedy", "sampled") * 3:
            heat = 0.7 if name == "sampled" else None
            wait()
            began = time.monotonic()
            found = made.answer(prompts, max_tokens=options["tokens"], temperature=heat, seeds=range(len(prompts)))
            wait()
            speeds[name].append(sum(one.tokens for one in found) / (time.monotonic() - began))
    best = {name: max(found) for name, found in speeds.items()}
    return {**best, "ratio": best["sampled"] / best["greedy"], "rows_that_fit": made.most_rows(1024)}


def same_answers(options: Options) -> Found:
    """How many sampled answers of eight are the same alone, among 7 and among 63 others, in 32 bits."""
    from cotdistill.students import tiny
    from cotdistill.students.generator import Generator
    from cotdistill.students.prompts import Prompt

    made = Generator.of(model_of(SHAPES[options["shape"]]).eval(), tiny.tokenizer())
    prompts = [Prompt([7 + row] * (20 + row), False) for row in range(64)]

    def written(rows: list[int]) -> dict[int, Any]:
        found = made.answer([prompts[row] for row in rows], max_tokens=24, temperature=1.0, seeds=rows)
        return dict(zip(rows, (one.ids for one in found), strict=True))

    asked = list(range(0, 64, 8))
    together, fewer = written(list(range(64))), written(asked)
    alone = {row: written([row])[row] for row in asked}
    return {"same": sum(alone[row] == fewer[row] == together[row] for row in asked), "of": len(asked)}


def on_policy(options: Options) -> Found:
    """finetune --on-policy with a local teacher, as a command: the student writes, the teacher scores, the student
    learns."""
    shape = SHAPES[options["shape"]]
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        student, teacher = saved(shape, folder / "student", 0), saved(wider(shape), folder / "teacher", 1)
        source = random.Random(0)
        prompts = ({"id": f"p{row}", "prompt": "why? " * source.randint(4, 40)} for row in range(256))
        (folder / "prompts.jsonl").write_text("".join(json.dumps(one) + "\n" for one in prompts))
        trained = _cotdistill(
            "finetune", folder / "prompts.jsonl", "-o", folder / "taught", "--student", student, "--method", "full",
            "--teacher", f"local:{teacher}", "--on-policy", options["steps"], "--batch-size", options["batch_size"],
            "--max-output-tokens", options["tokens"], "--learning-rate", "1e-4",
        )  # fmt: skip
        lines = (folder / "taught/metrics.jsonl").read_text().splitlines()
    losses = [entry["loss"] for entry in map(json.loads, lines) if "loss" in entry]
    return {"tokens_per_s": trained["results"]["tokens_per_s"], "losses": losses}


def taught(options: Options) -> Found:
    """Train on worked solutions in one way, score on questions held out: the commands people type. `way` are options of
    finetune, none for its defaults."""
    folder, out = Path(options["folder"]), Path(options["out"])
    student = out / options["name"]
    held_out = ["--eval-data", folder / "heldout_rows.jsonl"] if (folder / "heldout_rows.jsonl").exists() else []
    began = time.monotonic()
    trained = _cotdistill(
        "finetune", folder / "rows.jsonl", "-o", student, "--student", options["student"],
        "--seed", options["seed"], *options["way"], *held_out,
    )  # fmt: skip
    seconds = time.monotonic() - began
    scored = _cotdistill(
        "evaluate", folder / "heldout.jsonl", "-o", f"{student}.json", "--student", student,
        "--max-output-tokens", options["tokens"], "--batch-size", options["batch_size"],
    )  # fmt: skip
    found = scored["results"]["students"][0]
    results = {name: trained["results"][name] for name in ("loss", "learning_rate", "tokens_per_s")}
    entries = map(json.loads, (student / "metrics.jsonl").read_text().splitlines())
    return {
        "right": found["correct"], "asked": scored["counts"]["prompts"], "accuracy": found["accuracy"],
        "eval_losses": [entry["eval_loss"] for entry in entries if "eval_loss" in entry],
        "train_s": seconds, "evaluate_s": time.monotonic() - began - seconds, **results,
    }  # fmt: skip


def _cotdistill(*words: object) -> Any:
    command = [sys.executable, "-m", "cotdistill", *map(str, words), "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 3):
        raise SystemExit(f"{words[0]}: {done.stderr[-1500:]}")
    return json.loads(done.stdout)


def card(options: Options) -> Found:
    """What the other parts run on; a package that is missing and a student that cannot be loaded are found out before
    any time is spent."""
    import torch

    for name in ("finetune", "evaluate", "on_policy"):
        importlib.import_module(f"cotdistill.stages.{name}")

    if options.get("student"):
        from cotdistill.students import load

        load.tokenizer(options["student"])
    return {"name": torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"}


PARTS: dict[str, Callable[[Options], Found]] = {
    "ours": train_ours, "trl": train_trl, "answers": answers, "same": same_answers, "on_policy": on_policy,
    "taught": taught, "card": card,
}  # fmt: skip


COMMANDS = ("on_policy", "taught", "card")
"""Parts whose own process does nothing that it would hold memory for."""


def load() -> None:
    """Import what takes long, and nothing that touches the card."""
    for name in ("torch", "peft", "trl", "cotdistill.training.train", "cotdistill.students.generator"):
        importlib.import_module(name)


def main(part: str, options: str) -> None:
    from cotdistill import students

    with students.quiet():
        if os.environ.get("GPU_PARTS_WAIT"):
            if part not in COMMANDS:
                load()
            sys.stdin.read()
        found = PARTS[part](json.loads(options))
        print(json.dumps(found if part in COMMANDS else {**found, "peak_gb": peak_gb()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
