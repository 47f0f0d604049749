"""How fast finetune trains, against TRL as it comes and against a bare loop.

    python -m tests.benchmarks.finetune_speed [--student tiny|smollm2-135m] [--steps N] [--rounds N] [--threads N]

Same model, rows (lengths mixed, so that padding hurts) and batch size; tokens are non-padding ones, prompts included,
and the first step of each is not timed. "trl" is SFTTrainer with its defaults, given the tokens so that it need not
make them. "loop" is what one would write by hand: the same order by length, the same loss on trained positions alone,
the same number format, no trainer. Rounds alternate; the median is printed, and on a GPU the share of its peak.
"""

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from cotdistill import students
from cotdistill.chat.template import render
from cotdistill.config import FinetuneConfig
from cotdistill.mock import problems
from cotdistill.mock.solver import solve
from cotdistill.progress import Silent
from cotdistill.students import load
from cotdistill.training import defaults, packing, precision, sft_config, train
from cotdistill.training.collator import Collator
from cotdistill.training.token_rows import TokenRows

PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
"""bfloat16, dense, as their maker states it."""


LONGEST = 12
"""Solved chains in one trace."""


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


def ours(config: FinetuneConfig, rows: TokenRows, model: Any, tokenizer: Any) -> float:
    precision.prepare(model, config)
    with tempfile.TemporaryDirectory() as work:
        planned = train.schedule(rows, config, packed=packing.chosen(config.packing, model))
        return train.train(model, tokenizer, planned, TokenRows(), config, Path(work), Silent()).tokens_per_s


def trl(config: FinetuneConfig, rows: TokenRows, model: Any, tokenizer: Any) -> float:
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    marks: list[tuple[float, int]] = []

    class Counting(SFTTrainer):  # type: ignore[misc]
        read = 0

        def compute_loss(self, model: Any, inputs: Any, *args: Any, **more: Any) -> Any:
            self.read += int(inputs["attention_mask"].sum())
            return super().compute_loss(model, inputs, *args, **more)

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            marks.append((time.monotonic(), trainer.read))

    with tempfile.TemporaryDirectory() as work:
        args = SFTConfig(
            output_dir=work,
            max_steps=config.max_steps or 1,
            per_device_train_batch_size=config.batch_size,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
            use_cpu=not torch.cuda.is_available(),
            save_strategy="no",
            disable_tqdm=True,
        )
        peft = sft_config.lora(config) if defaults.is_lora(config) else None
        data = Dataset.from_dict(
            {"input_ids": [rows.ids(row) for row in range(len(rows))]}
            | {"labels": [rows.labels(row) for row in range(len(rows))]}
        )
        trainer = Counting(model=model, args=args, train_dataset=data, processing_class=tokenizer, peft_config=peft)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(Clock())
        trainer.train()
    return (marks[-1][1] - marks[0][1]) / (marks[-1][0] - marks[0][0])


def loop(config: FinetuneConfig, rows: TokenRows, model: Any, tokenizer: Any) -> float:
    import torch
    from torch.nn.functional import cross_entropy

    precision.prepare(model, config)
    if defaults.is_lora(config):
        from peft import get_peft_model

        model = get_peft_model(model, sft_config.lora(config))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device).train()
    collate = Collator(rows, int(tokenizer.pad_token_id or 0), packed=False)
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=1e-4, fused=True)
    batch_size, steps = config.batch_size or 1, config.max_steps or 1
    order = rows.order(steps * batch_size, batch_size, config.seed).tolist()
    read = began = 0.0
    for start in range(0, len(order), batch_size):
        batch = collate([{"rows": [row], "held_out": False} for row in order[start : start + batch_size]])
        tokens = batch["read_tokens"]
        batch = {name: value.to(device) for name, value in batch.items() if isinstance(value, torch.Tensor)}
        targets, kept = batch.pop("targets"), batch.pop("kept", None)
        with torch.autocast(device, torch.bfloat16, enabled=precision.autocasts(config)):
            scores = model(**batch, use_cache=False).logits.flatten(0, 1)
        loss: Any = cross_entropy((scores if kept is None else scores[kept]).float(), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if began:
            read += tokens
        else:
            began = time.monotonic()
    return read / (time.monotonic() - began)


def utilisation(model: Any, lora: bool, tokens_per_s: float) -> str:
    """Model FLOPs: 6 a weight and token, 4 where the base is frozen (no gradients of its weights)."""
    import torch

    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    peak = next((peak for key, peak in PEAK_FLOPS.items() if key in name), None)
    return f"{(4 if lora else 6) * model.num_parameters() * tokens_per_s / peak:8.1%} MFU" if peak else ""


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--student", default="tiny")
    options.add_argument("--steps", type=int, default=60)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--batch-size", type=int, default=8)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--lengths", choices=("even", "tail"), default="even")
    chosen = options.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    config = FinetuneConfig(
        student=chosen.student,
        max_steps=chosen.steps,
        batch_size=chosen.batch_size,
        threads=chosen.threads,
        learning_rate=1e-4,
    )
    ways: dict[str, Callable[..., float]] = {"ours": ours, "trl": trl, "loop": loop}
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    with students.quiet():
        import torch

        torch.set_num_threads(chosen.threads)
        tokenizer = load.tokenizer(chosen.student)
        rows = mixed_rows(tokenizer, max(64, chosen.steps * chosen.batch_size), chosen.lengths)
        for _ in range(chosen.rounds):
            for name, way in ways.items():
                model = load.model(chosen.student, tokenizer)
                speeds[name].append(way(config, rows, model, tokenizer))
    mid = {name: median(found) for name, found in speeds.items()}
    print(f"{chosen.student}, {len(rows)} rows of {rows.lengths().min()} to {rows.longest} tokens")
    for name, speed in mid.items():
        print(f"{name:6}{speed:12,.0f} tokens/s  {utilisation(model, defaults.is_lora(config), speed)}".rstrip())
    print(f"ours / trl {mid['ours'] / mid['trl']:.2f}   ours / loop {mid['ours'] / mid['loop']:.2f}")


if __name__ == "__main__":
    main()
