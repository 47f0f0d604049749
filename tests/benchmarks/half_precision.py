"""Weights and optimizer in bfloat16 with Kahan summation against 32 bits: the loss, step by step, on a processor.

    python -m tests.benchmarks.half_precision [--seeds 3] [--steps 200]

The tiny student, the same rows in the same order, full fine-tuning. `gpu.py` does it with a student of 1 B weights.
"""

import argparse
import json
import tempfile
from pathlib import Path

from cotdistill.config import FinetuneConfig
from cotdistill.progress import Silent
from cotdistill.stages import finetune
from tests.training_runs import chain_rows, write


def main() -> None:
    options = argparse.ArgumentParser()
    for name, value in (("seeds", 3), ("steps", 200)):
        options.add_argument(f"--{name}", type=int, default=value)
    chosen = options.parse_args()
    print(f"{'seed':>4}  {'precision':<10}  loss, mean of each twentieth of the run")
    for seed in range(chosen.seeds):
        with tempfile.TemporaryDirectory() as directory:
            rows = write(Path(directory) / "rows.jsonl", chain_rows(400, seed))
            for precision in ("float32", "bfloat16"):
                output = Path(directory) / precision
                config = FinetuneConfig(
                    student="tiny", max_steps=chosen.steps, batch_size=16, seed=seed, precision=precision
                )
                finetune.run(rows, output, config, Silent())
                lines = (output / "metrics.jsonl").read_text().splitlines()
                losses = [entry["loss"] for entry in map(json.loads, lines) if "loss" in entry]
                part = max(1, len(losses) // 20)
                means = [
                    sum(losses[at : at + part]) / len(losses[at : at + part]) for at in range(0, len(losses), part)
                ]
                print(f"{seed:>4}  {precision:<10}  {' '.join(f'{mean:.3f}' for mean in means)}", flush=True)


if __name__ == "__main__":
    main()
