"""What `finetune --dry-run` says of memory, and what the training then held at most.

    python -m tests.benchmarks.training_memory [tiny] [lora] [full]

Each figure is a command's own process: the dry run's `measured_memory_gb`, and the most that the system says the
training held (resident, with Python, torch and the files they map), checkpoint and student written. Without a GPU. The
rows have a long tail, so that one step is far wider than the others; the tiny student reads several solved chains in
one trace, SmolLM2-135M (`make smollm2`) word problems.
"""

import argparse
import json
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from cotdistill.mock import problems
from cotdistill.mock.solver import solve
from tests.benchmarks.word_problems import word_problem
from tests.conftest import ROOT
from tests.training_runs import row_of, write

SHAPES = {
    "tiny": ["--student", "tiny", "--batch-size", "48", "--max-steps", "40"],
    "lora": ["--student", "smollm2-135m", "--batch-size", "8", "--max-steps", "8"],
    "full": ["--student", "smollm2-135m", "--method", "full", "--batch-size", "4", "--max-steps", "4"],
}


def rows(shape: str, count: int = 400) -> list[dict[str, Any]]:
    source = random.Random(0)
    found = []
    for number in range(count):
        several = min(8, max(1, round(source.lognormvariate(0.7, 0.9))))
        if shape == "tiny":
            chains = problems.generate(several, seed=number)
            asked, answer = chains[-1].text, solve(chains[-1], 0)[1]
            trace = "\n".join(solve(chain, 0)[0] for chain in chains)
        else:
            told = [word_problem(source) for _ in range(several)]
            asked = " ".join(one["question"] for one in told)
            trace, _, answer = "\n".join(one["answer"] for one in told).rpartition("\n#### ")
        found.append(row_of(f"p{number}", asked, trace, answer))
    return found


def run(folder: Path, *words: str) -> tuple[dict[str, Any], float]:
    """The command's summary, and the most its process held, in GB."""
    command = [sys.executable, "-m", "cotdistill", "finetune", "rows.jsonl", "-o", "student", "--json", "--quiet"]
    out = folder / "summary.json"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", f'cd "{folder}" && exec "$@" > "{out}"', "sh", *command, *words],
        environment,
    )
    _, status, usage = os.wait4(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0, f"finetune {' '.join(words)} failed"
    return json.loads(out.read_text())["results"], usage.ru_maxrss * 1024 / 1e9


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("shapes", nargs="*", default=list(SHAPES), help="tiny, lora, full (default: all)")
    print(f"{'shape':<8}{'said, GB':>10}{'held, GB':>10}{'said of held':>14}")
    for shape in options.parse_args().shapes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write(folder / "rows.jsonl", rows(shape))
            alike = [*SHAPES[shape], "--checkpointing", "off"]  # else whatever memory is free at the time decides
            said = run(folder, *alike, "--dry-run")[0]["measured_memory_gb"]
            held = run(folder, *alike)[1]
        print(f"{shape:<8}{said:>10.2f}{held:>10.2f}{said / held:>14.3f}", flush=True)


if __name__ == "__main__":
    main()
