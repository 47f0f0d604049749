"""LoRA with finetune's defaults against full fine-tuning with its defaults, on the embedded task.

    python -m tests.benchmarks.lora [--seeds 3] [--rows 600] [--prompts 200]

The base is the tiny student, trained on problems of one to three steps; both methods then teach it those of four to
six from the same rows. Wilson's intervals, 95 %. `real_student.py words` and `gpu.py` have real models.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from cotdistill.config import FinetuneConfig
from cotdistill.mock import problems
from cotdistill.progress import Silent
from cotdistill.stages import finetune
from cotdistill.statistics import wilson
from tests.benchmarks.quantize import right
from tests.training_runs import chain_rows, write

SHORT, LONG = (1, 2, 3), (4, 5, 6)


def main() -> None:
    options = argparse.ArgumentParser()
    for name, value in (("seeds", 3), ("rows", 600), ("prompts", 200)):
        options.add_argument(f"--{name}", type=int, default=value)
    chosen = options.parse_args()
    asked = problems.generate(chosen.prompts, seed=99, steps=LONG)
    print(f"{'seed':>4}  {'student':<12}{'right %':>9}{'interval':>14}{'loss':>8}{'steps':>7}{'rate':>10}")
    for seed in range(chosen.seeds):
        with tempfile.TemporaryDirectory() as directory:
            base = Path(directory) / "base"
            short = write(Path(directory) / "short.jsonl", chain_rows(800, 1_000 + seed, steps=SHORT))
            config = FinetuneConfig(student="tiny", max_steps=700, batch_size=16, seed=seed)
            show(seed, "base", right(base, asked) if finetune.run(short, base, config, Silent()) else [], {})
            long = write(Path(directory) / "long.jsonl", chain_rows(chosen.rows, 2_000 + seed, steps=LONG))
            for method in ("full", "lora"):
                given: dict[str, Any] = {"student": str(base), "method": method, "seed": seed, "threads": 1}
                manifest = finetune.run(long, Path(directory) / method, FinetuneConfig(**given), Silent())
                show(seed, method, right(Path(directory) / method, asked), {**manifest.counts, **manifest.results})


def show(seed: int, name: str, found: list[bool], trained: dict[str, Any]) -> None:
    low, high = wilson(sum(found), len(found))
    told = f"{trained['loss']:>8.3f}{trained['steps']:>7}{trained['learning_rate']:>10.1e}" if trained else ""
    interval = f"{100 * low:.0f} to {100 * high:.0f}"
    print(f"{seed:>4}  {name:<12}{100 * sum(found) / len(found):>9.1f}{interval:>14}{told}", flush=True)


if __name__ == "__main__":
    main()
