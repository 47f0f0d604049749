"""Answers a second: batches as evaluate asks them, against `model.generate` for one prompt after the other.

    python tests/benchmarks/evaluate_speed.py [STUDENT] [PROMPTS] [CAP]

Greedy, the same prompts, cap, threads and weights. "plain batch" is model.generate on the same batches, which carries
every row along until the last one has ended.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence

from cotdistill import students
from cotdistill.mock import problems
from cotdistill.students.generator import Generator
from cotdistill.students.prompts import Prompt

BATCH = 32


def run(student: str, count: int, cap: int) -> None:
    with students.quiet():
        generator = Generator(student)
    source = random.Random(0)
    chains = (problem.text for problem in problems.generate(count, seed=1))
    texts = [" and ".join([chain] * source.randint(1, 4)) for chain in chains]
    prompts = sorted(
        (generator.prompt([{"role": "user", "content": text}]) for text in texts), key=lambda one: len(one.ids)
    )

    def plain(batch: Sequence[Prompt]) -> None:
        import torch

        longest = max(len(one.ids) for one in batch)
        padding = generator._padding
        ids = torch.tensor([[padding] * (longest - len(one.ids)) + one.ids for one in batch])
        mask = torch.tensor([[0] * (longest - len(one.ids)) + [1] * len(one.ids) for one in batch])
        with torch.inference_mode():
            generator._model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=cap,
                do_sample=False,
                eos_token_id=generator._ends,
                pad_token_id=padding,
            )

    def ours(batch: Sequence[Prompt]) -> None:
        answers = generator.answer(batch, max_tokens=cap, temperature=None, seeds=[0] * len(batch))
        lengths.extend(answer.tokens for answer in answers)

    lengths: list[int] = []
    ours(prompts[:2])
    lengths.clear()
    alone = _rate(plain, prompts, 1)
    batched = _rate(plain, prompts, BATCH)
    own = _rate(ours, prompts, BATCH)
    print(
        f"{student}: {count} prompts, cap {cap}, batches of {BATCH}; answers have {min(lengths)} to {max(lengths)} "
        f"tokens, {sum(lengths) / count:.0f} on average\n"
        f"  one at a time {alone:8.2f} answers/s\n"
        f"  plain batch   {batched:8.2f} answers/s  {batched / alone:5.2f} x\n"
        f"  cotdistill    {own:8.2f} answers/s  {own / alone:5.2f} x"
    )


def _rate(answer: Callable[[Sequence[Prompt]], None], prompts: Sequence[Prompt], size: int) -> float:
    began = time.perf_counter()
    for start in range(0, len(prompts), size):
        answer(prompts[start : start + size])
    return len(prompts) / (time.perf_counter() - began)


if __name__ == "__main__":
    run(
        sys.argv[1] if len(sys.argv) > 1 else "tiny",
        int(sys.argv[2]) if len(sys.argv) > 2 else 256,
        int(sys.argv[3]) if len(sys.argv) > 3 else 128,
    )
