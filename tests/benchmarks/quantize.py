"""What a student loses in a GGUF file of 8 or 4 bits, and what --quant-aware saves: accuracy on held-out problems.

    python -m tests.benchmarks.quantize [--seeds 3] [--rows 600] [--steps 700] [--prompts 300]

The tiny student, trained on verified traces of the embedded problems at 32 bits (the baseline); the same weights
rounded as `export --quantize` rounds them; and a student whose last fifth of the steps was --quant-aware. McNemar's
exact test compares each with the baseline on the same prompts. Only the numbers of the weights differ from a real
file, which tests/test_quant_aware.py shows to hold them bit by bit.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf

from cotdistill.config import FinetuneConfig
from cotdistill.mock import problems
from cotdistill.progress import Silent
from cotdistill.stages import finetune
from cotdistill.statistics import mcnemar
from cotdistill.students import load
from cotdistill.students.generator import Generator
from cotdistill.students.gguf_types import rounded, type_of
from tests.training_runs import chain_rows, write


def round_as_file(model: Any, quantize: str) -> None:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, model.config.num_hidden_layers)
    for source, weight in model.named_parameters():
        kind = type_of(names.get_name(source, try_suffixes=(".weight", ".bias")) or "", tuple(weight.shape), quantize)
        weight.data = rounded(weight.data, kind)


def right(student: Path, asked: Sequence[problems.Problem], quantize: str | None = None) -> list[bool]:
    with tempfile.TemporaryDirectory() as folder:
        place = student
        if quantize is not None:
            model = load.model(str(student), load.tokenizer(str(student)))
            round_as_file(model, quantize)
            place = Path(folder) / "rounded"
            model.save_pretrained(place)
            load.tokenizer(str(student)).save_pretrained(place)
        generator = Generator(str(place), 1, dtype="float32")
        prompts = [generator.prompt([{"role": "user", "content": one.text}]) for one in asked]
        found = generator.answer(prompts, max_tokens=160, temperature=None, seeds=[0] * len(prompts))
    return [
        one.text.rpartition("</think>")[2].strip() == problem.answer for one, problem in zip(found, asked, strict=True)
    ]


def main() -> None:
    options = argparse.ArgumentParser()
    for name, value in (("seeds", 3), ("rows", 600), ("steps", 700), ("prompts", 300)):
        options.add_argument(f"--{name}", type=int, default=value)
    chosen = options.parse_args()
    asked = list(problems.generate(chosen.prompts, seed=99))
    print(f"{'seed':>4}  {'weights':<26}{'right %':>9}{'lost, won':>12}{'p':>9}")
    for seed in range(chosen.seeds):
        with tempfile.TemporaryDirectory() as directory:
            rows = write(Path(directory) / "rows.jsonl", chain_rows(chosen.rows, seed))
            usual: dict[str, Any] = {"student": "tiny", "max_steps": chosen.steps, "batch_size": 16, "seed": seed}
            finetune.run(rows, Path(directory) / "whole", FinetuneConfig(**usual), Silent())
            whole = right(Path(directory) / "whole", asked)
            print(f"{seed:>4}  {'f32':<26}{100 * sum(whole) / len(whole):>9.1f}", flush=True)
            for quantize in ("f16", "q8_0", "q4_0"):
                show(seed, quantize, whole, right(Path(directory) / "whole", asked, quantize))
            aware = Path(directory) / "aware"
            finetune.run(rows, aware, FinetuneConfig(**usual, quant_aware="q4_0"), Silent())
            show(seed, "q4_0, --quant-aware q4_0", whole, right(aware, asked, "q4_0"))


def show(seed: int, name: str, whole: Sequence[bool], other: Sequence[bool]) -> None:
    lost = sum(one and not two for one, two in zip(whole, other, strict=True))
    won = sum(two and not one for one, two in zip(whole, other, strict=True))
    share = 100 * sum(other) / len(other)
    print(f"{seed:>4}  {name:<26}{share:>9.1f}{f'{lost}, {won}':>12}{mcnemar(lost, won):>9.4f}", flush=True)


if __name__ == "__main__":
    main()
