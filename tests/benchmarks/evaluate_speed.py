"""Answers a second: batches as evaluate asks them, against `model.generate` for one prompt after the other.

    python tests/benchmarks/evaluate_speed.py [STUDENT] [PROMPTS] [CAP] [BATCH]

The same prompts, cap, threads and weights. "plain batch" is model.generate on the same batches, which carries every row
along until the last one has ended. Seconds are the processor's, of all threads, so that other programs count little.
The last line is sampled against greedy, in tokens, by turns; there no answer ends before the cap, so that both take
the same steps.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

from cotdistill import students
from cotdistill.mock import problems
from cotdistill.students.generator import Generator
from cotdistill.students.prompts import Prompt

HEAT = 0.6
TURNS = 5


def run(student: str, count: int, cap: int, size: int) -> None:
    with students.quiet():
        generator = Generator(student, threads=1)
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

    def ours(batch: Sequence[Prompt], lengths: list[int], temperature: float | None = None) -> None:
        answers = generator.answer(batch, max_tokens=cap, temperature=temperature, seeds=range(len(batch)))
        lengths.extend(answer.tokens for answer in answers)

    ours(prompts[:2], [])
    lengths: list[int] = []
    alone = _rate(plain, prompts[::8], 1)
    batched = _rate(plain, prompts, size)
    own = _rate(partial(ours, lengths=lengths), prompts, size)
    print(
        f"{student}: {count} prompts, cap {cap}, batches of {size}; answers have {min(lengths)} to {max(lengths)} "
        f"tokens, {sum(lengths) / count:.0f} on average\n"
        f"  one at a time {alone:8.2f} answers/s\n"
        f"  plain batch   {batched:8.2f} answers/s  {batched / alone:5.2f} x\n"
        f"  cotdistill    {own:8.2f} answers/s  {own / alone:5.2f} x",
        flush=True,
    )
    generator._ends = [len(generator._tokenizer) + 1_000_000]
    ratios = []
    for _ in range(TURNS):
        greedy, sampled = (_rate(partial(ours, lengths=[], temperature=heat), prompts, size) for heat in (None, HEAT))
        ratios.append(sampled / greedy)
    print(
        f"  greedy {greedy * cap:.1f} tokens/s; sampled at {HEAT} {sampled * cap:.1f} tokens/s; the median of {TURNS} "
        f"turns {median(ratios):.2f} x, from {min(ratios):.2f} to {max(ratios):.2f}"
    )


def _rate(answer: Callable[[Sequence[Prompt]], None], prompts: Sequence[Prompt], size: int) -> float:
    began = time.process_time()
    for start in range(0, len(prompts), size):
        answer(prompts[start : start + size])
    return len(prompts) / (time.process_time() - began)


if __name__ == "__main__":
    run(
        sys.argv[1] if len(sys.argv) > 1 else "tiny",
        int(sys.argv[2]) if len(sys.argv) > 2 else 256,
        int(sys.argv[3]) if len(sys.argv) > 3 else 128,
        int(sys.argv[4]) if len(sys.argv) > 4 else 32,
    )
