"""What the ready chains of students (`init --recipe`) gain over the same compute without them, by the seed.

    python -m tests.benchmarks.chains [NAME…] [--rounds 3] [--steps 700] [--prompts 600] [--exam 300]

The recipes as they are written, but that every student takes `--steps` steps of 16 rows, that all are scored on an
examination of its own, and that the same recipe trains the students they are compared with: `longer` takes as many
steps as all students of the chain together. `evenly` (weak-spots) has a teacher that answers every prompt twice more
instead of the weak ones six times; `many` (big-to-small) learns also from what the big student got right of four times
as many new prompts, one answer each, for which nobody is paid. Seeds draw problems, first weights and rows.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from cotdistill.mock import problems
from cotdistill.recipes import ready
from tests.conftest import ROOT

STEPS = (1, 2, 3, 4, 5, 6)

LONGER = """
[[steps]]
name = "longer"
stage = "finetune"
input = "rows"
max_steps = {steps}
"""

ADDED = {
    "weak-spots": """
[[steps]]
name = "twice-more"
stage = "generate"
samples = 4

[[steps]]
name = "twice-more-kept"
stage = "filter"
select = "diverse:k=4"

[[steps]]
name = "twice-more-rows"
stage = "format"

[[steps]]
name = "evenly"
stage = "finetune"
""",
    "curriculum": "",
    "born-again": "",
    "big-to-small": """
[[steps]]
name = "many-answers"
stage = "generate"
teacher = "big"
prompts = "many.jsonl"
samples = 1
temperature = 0.7

[[steps]]
name = "many-kept"
stage = "filter"

[[steps]]
name = "many-rows"
stage = "format"
input = ["kept", "many-kept"]

[[steps]]
name = "many"
stage = "finetune"
""",
}
STUDENTS = {
    "weak-spots": ("second", ("first", "longer", "evenly")),
    "curriculum": ("in-order", ("shuffled",)),
    "born-again": ("student", ("first", "round1-student", "longer")),
    "big-to-small": ("small", ("direct", "big", "longer", "many")),
}
TRAINED = {"weak-spots": 2, "curriculum": 1, "born-again": 3, "big-to-small": 2}
"""Students of a chain, one after the other."""


def recipe(name: str, seed: int, steps: int) -> str:
    """The ready one, with the steps that it is compared with."""
    text = ready.text(name)
    head, _, _ = text.rpartition('[[steps]]\nname = "scores"')
    student, baselines = STUDENTS[name]
    head = re.sub(r'^(student = "tiny"|max_steps = ).*\n', "", head, flags=re.MULTILINE)
    if "[finetune]\n" not in head:
        head = head.replace("[format]\n", "[finetune]\n\n[format]\n")
    alike = f'student = "tiny"\nmax_steps = {steps}\nbatch_size = 16\nseed = {seed}\nthreads = 1\n'
    head = head.replace("[finetune]\n", f"[finetune]\n{alike}")
    longer = LONGER.format(steps=TRAINED[name] * steps) if TRAINED[name] > 1 else ""
    return f"""{head}{longer}{ADDED[name]}
[[steps]]
name = "scores"
stage = "evaluate"
prompts = "exam.jsonl"
student = "{student}"
baseline = {list(baselines)}
max_output_tokens = 128
"""


def write(path: Path, chosen: list[problems.Problem], name: str) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(one.as_prompt(f"{name}{n}")) + b"\n" for n, one in enumerate(chosen)))


def run(folder: Path, name: str, seed: int, steps: int, prompts: int, exam: int) -> dict[str, Any]:
    """The manifest of the scores, and of each step's counts."""
    folder.mkdir()
    known = problems.generate(prompts, seed=seed, steps=STEPS)
    fresh = problems.generate(exam, seed=seed + 1_000_003, steps=STEPS, exclude=frozenset(one.text for one in known))
    asked = frozenset(one.text for one in (*known, *fresh))
    write(folder / "many.jsonl", problems.generate(4 * prompts, seed=seed + 2_000_003, steps=STEPS, exclude=asked), "m")
    write(folder / "prompts.jsonl", known, "p")
    write(folder / "exam.jsonl", fresh, "exam")
    (folder / "recipe.toml").write_text(recipe(name, seed, steps))
    words = [sys.executable, "-m", "cotdistill", "run", "recipe.toml", "--quiet"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run(words, cwd=folder, env=environment, check=True)
    found = {}
    for manifest in (folder / "runs" / "latest").resolve().glob("*.manifest.json"):
        found[manifest.name.removesuffix(".manifest.json")] = msgspec.json.decode(manifest.read_bytes())
    found["scores"]["results"] = msgspec.json.decode((folder / "runs" / "latest" / "scores.json").read_bytes())
    return found


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("names", nargs="*", default=list(STUDENTS), help="the recipes (default: all)")
    for name, value in (("first", 0), ("rounds", 3), ("steps", 700), ("prompts", 600), ("exam", 300)):
        options.add_argument(f"--{name}", type=int, default=value)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        for seed in range(chosen.first, chosen.first + chosen.rounds):
            for name in chosen.names:
                folder = Path(directory) / f"{name}-{seed}"
                show(name, seed, run(folder, name, seed, chosen.steps, chosen.prompts, chosen.exam))


def show(name: str, seed: int, manifests: dict[str, Any]) -> None:
    bought = {one: made["counts"]["bought"] for one, made in manifests.items() if made["stage"] == "generate"}
    print(f"{name}, seed {seed}; answers bought: {bought}", flush=True)
    results = manifests["scores"]["results"]
    for student in results["students"]:
        low, high = student["interval"]
        against = results["against"].get(student["student"])
        p_value = f", p = {against['p_value']:.2g}" if against else ""
        label = student["student"].rpartition("/")[2]
        print(f"  {label:<9} {student['accuracy']:6.1%} [{low:.0%}, {high:.0%}]{p_value}", flush=True)


if __name__ == "__main__":
    main()
