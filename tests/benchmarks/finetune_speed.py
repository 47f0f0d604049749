"""How fast finetune trains on a CPU, against a loop written by hand and against TRL as it comes.

    python -m tests.benchmarks.finetune_speed [--student tiny|smollm2-135m] [--steps N] [--rounds N] [--without-trl]

Other programs change what a second is worth, so nobody is measured alone: after every few steps of the trainer its
clocks stop, and the loop takes as many. Both read the same rows in the same order, so each pair of turns is one batch
on one machine at one time; wall time is the median over the pairs, CPU time their sum with a bootstrap over the pairs.

"loop" has no trainer: the order by length, the loss on trained positions alone and the number format are finetune's.
"loop, no mask" also leaves out the padding mask, as finetune does: what is left is what the trainer costs. "trl" is
SFTTrainer with its defaults, given the tokens so that it need not make them, in turns with the same loop; its batches
are others, so tokens are compared. Tokens are non-padding ones, prompts included. The first steps are not counted.
"""

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cotdistill import students
from cotdistill.chat.template import render
from cotdistill.config import FinetuneConfig
from cotdistill.mock import problems
from cotdistill.mock.solver import solve
from cotdistill.progress import Silent
from cotdistill.students import load
from cotdistill.training import precision, sft_config
from cotdistill.training.collator import Collator
from cotdistill.training.prepared import Job
from cotdistill.training.schedule import schedule
from cotdistill.training.token_rows import TokenRows
from cotdistill.training.train import train
from tests.benchmarks.trl_loop import train_with_trl

LONGEST = 12
"""Solved chains in one trace."""

WARM_UP = 3
"""Steps that are not counted."""

MASKED, BARE = "loop", "loop, no mask"


def mixed_rows(tokenizer: Any, count: int, lengths: str = "even") -> TokenRows:
    """Traces of several solved chains. even: one to eight, each as often. tail: log-normal (median 2, sigma 0.9, at
    most twelve), as the lengths of reasoning are: most are short, a few very long."""
    rows = TokenRows()
    chains = problems.generate(count * LONGEST, 0)
    source = random.Random(0)
    for number in range(count):
        drawn = min(LONGEST, max(1, round(source.lognormvariate(0.7, 0.9))))
        some = chains[number * LONGEST :][: drawn if lengths == "tail" else 1 + number * 5 % 8]
        trace = "\n".join(solve(chain, 0)[0] for chain in some)
        turn = {"role": "assistant", "reasoning_content": trace, "content": solve(some[-1], 0)[1]}
        rows.add(render(tokenizer, {"prompt": [{"role": "user", "content": some[-1].text}], "completion": [turn]}))
    return rows


class Turns:
    """The clocks of one trainer, which stop after every `length` steps while each loop makes as many.

    `spent[name]` is one (tokens, wall seconds, CPU seconds) for each turn."""

    def __init__(self, name: str, loops: Mapping[str, Iterator[int]], length: int) -> None:
        self._name, self._loops, self._length = name, loops, length
        self.spent: dict[str, list[tuple[float, float, float]]] = {one: [] for one in (name, *loops)}
        self._steps = 0
        self._before = (0.0, 0.0, 0.0)

    def after_step(self, read: int) -> None:
        """`read` are the tokens of all steps so far."""
        self._steps += 1
        if self._steps < WARM_UP or (self._steps - WARM_UP) % self._length:
            return
        now = _clocks(read)
        if self._steps > WARM_UP:
            self.spent[self._name].append(_since(self._before, now))
        for name, loop in self._loops.items():
            if self._steps == WARM_UP:
                for _ in range(WARM_UP):
                    next(loop)
                continue
            began = _clocks(0)
            tokens = sum(next(loop) for _ in range(self._length))
            self.spent[name].append(_since(began, _clocks(tokens)))
        self._before = _clocks(read)


def _clocks(tokens: float) -> tuple[float, float, float]:
    return tokens, time.perf_counter(), time.process_time()


def _since(before: tuple[float, float, float], now: tuple[float, float, float]) -> tuple[float, float, float]:
    return now[0] - before[0], now[1] - before[1], now[2] - before[2]


def ours(config: FinetuneConfig, rows: TokenRows, model: Any, tokenizer: Any, turns: Turns) -> None:
    planned = schedule(rows, config, packed=False)
    read = np.add.accumulate(planned.lengths)

    class Steps(Silent):
        def update(self, done: int, detail: str = "") -> None:
            turns.after_step(int(read[done * (config.batch_size or 1) - 1]))

    precision.prepare(model, config)
    with tempfile.TemporaryDirectory() as work:
        job = Job(config=config, tokenizer=tokenizer, model=model, rows=rows, schedule=planned)
        train(job, Path(work), Steps())


def trl(config: FinetuneConfig, rows: TokenRows, model: Any, tokenizer: Any, turns: Turns) -> None:
    peft = sft_config.lora(config) if config.adapts else None
    steps, batch_size = config.max_steps or 1, config.batch_size or 1
    settings = {"max_steps": steps, "per_device_train_batch_size": batch_size, "use_cpu": True}
    train_with_trl(model, tokenizer, rows, turns.after_step, peft=peft, **settings)


def loop(config: FinetuneConfig, rows: TokenRows, model: Any, tokenizer: Any, *, masked: bool) -> Iterator[int]:
    """One step at a time; the tokens that it read."""
    import torch
    from torch.nn.functional import cross_entropy

    precision.prepare(model, config)
    if config.adapts:
        from peft import get_peft_model

        model = get_peft_model(model, sft_config.lora(config))
    model.train()
    collate = Collator(rows, int(tokenizer.pad_token_id or 0), packed=False, masked=masked)
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=1e-4, fused=True)
    batch_size, steps = config.batch_size or 1, config.max_steps or 1
    order = rows.order(steps * batch_size, batch_size, config.seed).tolist()
    for start in range(0, len(order), batch_size):
        batch = collate([{"rows": [row], "held_out": False} for row in order[start : start + batch_size]])
        tokens = int(batch["read_tokens"])
        batch = {name: value for name, value in batch.items() if isinstance(value, torch.Tensor)}
        targets, kept = batch.pop("targets"), batch.pop("kept", None)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision.autocasts(config)):
            scores = model(**batch, use_cache=False).logits.flatten(0, 1)
        loss: Any = cross_entropy((scores if kept is None else scores[kept]).float(), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        yield tokens


def show(name: str, spent: Any, against: str, its: Any) -> None:
    """`spent` and `its` are (turns, 3): tokens, wall seconds, CPU seconds."""
    wall = (spent[:, 0] / spent[:, 1]) / (its[:, 0] / its[:, 1])

    def ratio(chosen: Any) -> float:
        own, other = spent[chosen].sum(axis=0), its[chosen].sum(axis=0)
        return float((own[0] / own[2]) / (other[0] / other[2]))

    everything, source = np.arange(len(spent)), np.random.default_rng(0)
    drawn = [ratio(source.choice(everything, len(spent))) for _ in range(2000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    tokens, seconds, cpu = spent.sum(axis=0)
    print(
        f"{name:6}{tokens / seconds:10,.0f} tokens/s {tokens / cpu:10,.0f} tokens/CPU-s; of {against!r}: wall "
        f"{np.median(wall):.3f}, CPU {ratio(everything):.3f} [{low:.3f}, {high:.3f}], {len(spent)} pairs",
        flush=True,
    )


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--student", default="tiny")
    options.add_argument("--steps", type=int, default=103)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--turn", type=int, default=5, help="steps")
    options.add_argument("--batch-size", type=int, default=8)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--lengths", choices=("even", "tail"), default="even")
    options.add_argument("--without-trl", action="store_true")
    chosen = options.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    config = FinetuneConfig(
        student=chosen.student,
        max_steps=chosen.steps,
        batch_size=chosen.batch_size,
        threads=chosen.threads,
        learning_rate=1e-4,
    )
    ways: dict[str, Callable[..., None]] = {"ours": ours} if chosen.without_trl else {"ours": ours, "trl": trl}
    spent: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    with students.quiet():
        import torch

        torch.set_num_threads(chosen.threads)
        tokenizer = load.tokenizer(chosen.student)
        rows = mixed_rows(tokenizer, max(64, chosen.steps * chosen.batch_size), chosen.lengths)
        print(f"{chosen.student}, batch {chosen.batch_size}, {len(rows)} rows", end=" ")
        print(f"of {rows.lengths().min()} to {rows.longest} tokens", flush=True)
        for number in range(chosen.rounds):
            for name, way in ways.items() if number == 0 else (("ours", ours),):
                loops = {
                    kind: loop(config, rows, load.model(chosen.student, tokenizer), tokenizer, masked=kind == MASKED)
                    for kind in ((MASKED, BARE) if name == "ours" else (MASKED,))
                }
                turns = Turns(name, loops, chosen.turn)
                way(config, rows, load.model(chosen.student, tokenizer), tokenizer, turns)
                for kind, found in turns.spent.items():
                    spent.setdefault((name, kind), []).extend(found)
    for name in ways:
        for kind in (MASKED, BARE):
            if (name, kind) in spent:
                show(name, np.array(spent[name, name]), kind, np.array(spent[name, kind]))


if __name__ == "__main__":
    main()
