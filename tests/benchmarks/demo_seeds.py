"""What the demo's students learn, over several seeds.

    python tests/benchmarks/demo_seeds.py [SEEDS] [DIRECTORY]

Each seed draws its own problems, teacher's slips, order and initial weights. The claim under test: verified traces
reach at least 93 % on every seed, all traces about half, answers only stay near chance (10 %), also at twice the steps.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

from cotdistill.progress import Silent
from cotdistill.recipes import demo


def run(seeds: int, directory: Path) -> None:
    names = [arm.name for arm in demo.Demo(directory).arms()]
    print(f"{'seed':<6}" + "".join(f"{name:>20}" for name in names) + f"{'seconds':>10}", flush=True)
    columns: list[list[float]] = []
    for seed in range(seeds):
        began = time.monotonic()
        one = demo.Demo(directory / f"seed{seed}", seed=seed)
        demo.run(one, Silent())
        scores = json.loads((one.directory / "scores.json").read_text())["students"]
        columns.append([entry["accuracy"] for entry in scores])
        shown = "".join(f"{entry['accuracy']:>20.1%}" for entry in scores)
        print(f"{seed:<6}{shown}{time.monotonic() - began:>10.0f}", flush=True)
    for label, of in (("mean", mean), ("least", min), ("most", max)):
        print(f"{label:<6}" + "".join(f"{of(column):>20.1%}" for column in zip(*columns, strict=True)))


if __name__ == "__main__":
    run(
        int(sys.argv[1]) if len(sys.argv) > 1 else 5,
        Path(sys.argv[2]) if len(sys.argv) > 2 else Path(tempfile.mkdtemp()),
    )
