"""What finetune and evaluate do on one GPU: speed, memory, losses, answers, beside TRL's defaults. Two commands, each
fits ten minutes of one card:

    python -m tests.benchmarks.gpu
    python -m tests.benchmarks.gpu --gsm8k FOLDER --student DIR|ID      FOLDER has GSM8K's train.jsonl and test.jsonl

The first trains and asks random Llamas of 1.17 B weights (and of SmolLM2's size, for what is only shown to work), the
second teaches a real student with finetune's defaults, LoRA and full, each with several seeds. tokens/s are the rows'
own, padding not counted, after the warm-up; MFU is 6 FLOPs a weight and token (4 with LoRA, whose base gets no
gradients) against the card's dense bfloat16 peak. "TRL" is SFTTrainer with its defaults.

Each part is a process (`gpu_parts.py`), prints its line as it ends, and is left out where the budget would not hold
it; one that fails or hangs says so in its line. What was asked of all of them comes last, however the run ends.
`--shape small` tries the script on a processor in a few minutes.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cotdistill.statistics import wilson
from tests.benchmarks.gpu_models import write_gsm8k

PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
"""bfloat16, dense, as their maker states it."""

PATIENCE = 3
"""A part may take so many times the seconds that it is thought to take."""


@dataclass(frozen=True)
class Part:
    label: str
    part: str
    options: dict[str, Any]
    seconds: float
    """That it is thought to take on an H100."""
    environment: dict[str, str] = field(default_factory=dict)
    together: str = ""
    """Parts with the same name here run at the same time: their speeds are not compared."""


def _ours(label: str, seconds: float = 40, together: str = "", **options: Any) -> Part:
    return Part(label, "ours", {"shape": "large", "max_steps": 24, "method": "full", **options}, seconds, {}, together)


def _trl(label: str, method: str) -> Part:
    return Part(label, "trl", {"shape": "large", "max_steps": 12, "batch_size": 8, "method": method}, 40)


FULL, LORA, FULL_TRL, LORA_TRL = "full", "LoRA", "full, TRL", "LoRA, TRL"
PADDED, ANSWERS, SAME = "full, padded, float32", "answers", "same answers"
HALF, WHOLE = "200 steps, bfloat16", "200 steps, float32"

PLAN: Sequence[Part] = (
    _ours(FULL),
    _trl(FULL_TRL, "full"),
    _ours(LORA, method="lora"),
    _trl(LORA_TRL, "lora"),
    _ours(PADDED, 50, packing="none", precision="float32"),
    Part(ANSWERS, "answers", {"shape": "large", "rows": 256, "tokens": 128}, 60),
    Part(SAME, "same", {"shape": "medium"}, 60, {}, "works"),
    _ours("loss soft", 60, "works", shape="medium", loss="soft", batch_size=16, max_steps=20),
    _ours("loss hidden", 60, "works", shape="medium", loss="hidden", batch_size=16, max_steps=20),
    _ours("loss attention", 60, "works", shape="medium", loss="attention", batch_size=16, max_steps=20),
    Part("on-policy", "on_policy", {"shape": "medium", "steps": 8, "batch_size": 16, "tokens": 96}, 80, {}, "works"),
    _ours(HALF, 80, "curves", max_steps=200, batch_size=8, precision="bfloat16"),
    _ours(WHOLE, 80, "curves", max_steps=200, batch_size=8, precision="float32"),
    _ours("full, padded, bfloat16", 45, packing="none", precision="bfloat16"),
    _ours("full, packed, float32", 45, precision="float32"),
    replace(_ours("full, without Liger", 45), environment={"COTDISTILL_LIGER": "0"}),
)
"""In the order of their weight: the last ones are left out first."""


def small(part: Part) -> Part:
    """The same part at a size for a processor."""
    fewer = {"rows": 8, "tokens": 12, "batch_size": 4, "steps": 2, "max_steps": 8}
    options = {name: min(fewer[name], value) if name in fewer else value for name, value in part.options.items()}
    return replace(part, options={**options, "shape": "small"}, seconds=4 * part.seconds)


def groups(plan: Sequence[Part]) -> Iterator[list[Part]]:
    """Neighbours that run at the same time."""
    group: list[Part] = []
    for part in plan:
        if group and (not part.together or part.together != group[0].together):
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def run(group: Sequence[Part], work: Path, until: float) -> Iterator[tuple[Part, dict[str, Any]]]:
    """Each part with what it found, or with why it found nothing."""
    started = []
    for number, part in enumerate(group):
        words = [sys.executable, "-m", "tests.benchmarks.gpu_parts", part.part, json.dumps(part.options)]
        out, errors = work / f"{number}.out", work / f"{number}.err"
        with out.open("w") as stdout, errors.open("w") as stderr:
            environment = {**os.environ, **part.environment}
            # A session of its own, so that a part which hangs goes with all that it started.
            child = subprocess.Popen(words, stdout=stdout, stderr=stderr, env=environment, start_new_session=True)
        started.append((part, child, out, errors))
    began = time.monotonic()
    try:
        for part, child, out, errors in started:
            deadline = min(began + PATIENCE * part.seconds, until)
            try:
                code = child.wait(timeout=max(1.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                yield part, {"failed": f"not done after {time.monotonic() - began:.0f} s"}
                continue
            lines = out.read_text().splitlines()
            if code or not lines:
                yield part, {"failed": " ".join(errors.read_text().split())[-400:] or f"exit {code}"}
                continue
            yield part, {**json.loads(lines[-1]), "took_s": time.monotonic() - began}
    finally:
        for _, child, _, _ in started:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def mfu(found: dict[str, Any], peak: float | None) -> float | None:
    if not peak or "weights" not in found:
        return None
    flops = (4 if found["lora"] else 6) * found["weights"] * found["tokens_per_s"]
    return float(flops / peak)


def line(part: Part, found: dict[str, Any], peak: float | None) -> str:
    if "failed" in found:
        return f"{part.label:24} FAILED {found['failed']}"
    words = [f"{part.label:24}"]
    if "tokens_per_s" in found:
        words.append(f"{found['tokens_per_s']:10,.0f} tokens/s")
    if (share := mfu(found, peak)) is not None and not part.together:
        words.append(f"{share:6.1%} MFU")
    if "peak_gb" in found:
        words.append(f"{found['peak_gb']:6.1f} GB")
    if losses := found.get("losses"):
        words.append(f"loss {losses[0]:.3f} to {losses[-1]:.3f}")
    shown = (
        "packed", "fused", "twice", "warm_up_s", "padding", "greedy", "sampled", "ratio", "rows_that_fit", "same", "of",
        "accuracy", "loss", "learning_rate", "train_s", "evaluate_s",
    )  # fmt: skip
    extra: dict[str, Any] = {key: found[key] for key in shown if key in found}
    words += [f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in extra.items()]
    return " ".join([*words, f"[{found['took_s']:.0f} s]"])


def asked_for(results: dict[str, dict[str, Any]], peak: float | None) -> Iterator[str]:
    """What was to be shown, beside what was found."""

    def of(label: str, name: str) -> Any:
        return results.get(label, {}).get(name)

    def ratio(one: Any, other: Any) -> str:
        return f"{one / other:.2f}" if one and other else "not measured"

    for label, wanted in ((FULL, 0.45), (LORA, 0.30)):
        share = mfu(results.get(label, {}), peak)
        yield f"{label}: at least {wanted:.0%} MFU: {'not measured' if share is None else f'{share:.1%}'}"
    for label, other in ((FULL, FULL_TRL), (LORA, LORA_TRL)):
        speeds = ratio(of(label, "tokens_per_s"), of(other, "tokens_per_s"))
        yield f"{label}: at least 4 times the tokens/s of TRL's defaults: {speeds}"
    yield f"packed at most 0.5 of the padded run's memory: {ratio(of(FULL, 'peak_gb'), of(PADDED, 'peak_gb'))}"
    yield f"sampled at least 0.8 of greedy's tokens/s: {ratio(of(ANSWERS, 'sampled'), of(ANSWERS, 'greedy'))}"
    same = f"{of(SAME, 'same')} of {of(SAME, 'of')}" if of(SAME, "of") else "not measured"
    yield f"answers the same in any batch: {same}"
    half, whole = of(HALF, "losses") or [], of(WHOLE, "losses") or []
    if half and whole:
        yield "loss over 200 steps, bfloat16 and float32:"
        step = max(1, len(half) // 20)
        for number in range(0, min(len(half), len(whole)), step):
            yield f"{number + 1:5} {half[number]:8.4f} {whole[number]:8.4f}"
    for method in ("lora", "full"):
        found = [one for label, one in results.items() if label.startswith(f"GSM8K {method}") and "right" in one]
        if found:
            right, asked = sum(one["right"] for one in found), sum(one["asked"] for one in found)
            low, high = wilson(right, asked)
            each = ", ".join(f"{one['accuracy']:.1%}" for one in found)
            yield f"GSM8K {method}, defaults: {right / asked:.1%} [{low:.1%}, {high:.1%}] ({each})"


def on_gsm8k(student: str, source: Path, work: Path, seeds: int, rows: int, questions: int, tokens: int) -> list[Part]:
    """All seeds and both methods at the same time: a small student leaves most of a card idle."""
    write_gsm8k(source, work, rows, questions)
    shared = {"folder": str(work), "out": str(work), "student": student, "tokens": tokens}
    return [
        Part(f"GSM8K {method}, seed {seed}", "gsm8k", {**shared, "method": method, "seed": seed}, 200, {}, "gsm8k")
        for seed in range(seeds)
        for method in ("lora", "full")
    ]


def main() -> None:
    options = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    options.add_argument("--budget-s", type=float, default=540)
    options.add_argument("--shape", choices=("large", "small"), default="large")
    options.add_argument("--only", default="", help="parts whose name has these words")
    options.add_argument("--out", type=Path, help="a file for everything that was found, as JSON")
    options.add_argument("--gsm8k", type=Path, help="folder with train.jsonl and test.jsonl")
    options.add_argument("--student", default="smollm2-135m")
    for name, value in (("seeds", 3), ("rows", 2_000), ("questions", 1_319), ("tokens", 256)):
        options.add_argument(f"--{name}", type=int, default=value, help=f"with --gsm8k (default: {value})")
    chosen = options.parse_args()
    ends = time.monotonic() + chosen.budget_s
    import torch

    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    peak = next((flops for key, flops in PEAK_FLOPS.items() if key in name), None)
    print(f"{name}, torch {torch.__version__}", flush=True)
    results: dict[str, dict[str, Any]] = {}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was found is printed
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        plan = [part if chosen.shape == "large" else small(part) for part in PLAN]
        if chosen.gsm8k:
            sizes = chosen.seeds, chosen.rows, chosen.questions, chosen.tokens
            plan = on_gsm8k(chosen.student, chosen.gsm8k, work, *sizes)
        try:
            for group in groups([part for part in plan if chosen.only in part.label]):
                seconds = max(part.seconds for part in group)
                if time.monotonic() + seconds > ends:
                    names = ", ".join(part.label for part in group)
                    print(f"left out, for it is thought to take {seconds:.0f} s: {names}", flush=True)
                    continue
                for part, found in run(group, work, ends):
                    results[part.label] = found
                    print(line(part, found, peak), flush=True)
        finally:
            print("", *asked_for(results, peak), sep="\n", flush=True)
            if chosen.out:
                chosen.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
