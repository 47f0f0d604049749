"""Supervised fine-tuning on rows that are tokens already, with TRL's SFTTrainer."""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cotdistill.config import FinetuneConfig
from cotdistill.errors import CotDistillError, StoppedError
from cotdistill.progress import Progress, Silent
from cotdistill.students import memory
from cotdistill.students.memory import memory_explained
from cotdistill.training import distributed, packing
from cotdistill.training.callbacks import FINISHED, Entry, history_of, watcher
from cotdistill.training.collator import collator
from cotdistill.training.sft_config import arguments, is_lora, lora, rows_at_once
from cotdistill.training.token_rows import TokenRows
from cotdistill.training.trainer import stopping, trainer_class

_REMEDY = "--rows-at-once (fewer rows in memory, the same result), --batch-size or --max-length"

TRIAL_STEPS = 3
"""Of a dry run; the first one, in which memory is first asked for, is not timed."""


@dataclass(frozen=True)
class Plan:
    """What is trained in which order. `examples` are rows, or packs of rows where those are `packed`."""

    examples: Any
    packed: bool
    steps: int
    steps_per_pass: int
    padding_share: float
    lengths: Any
    """Tokens of each example, read ones included, padding not; an array."""
    widest: int
    """The most tokens, padding included, that are in memory at once."""

    @property
    def tokens(self) -> int:
        """Of all steps together."""
        return int(self.lengths.sum())


@dataclass(frozen=True)
class Trained:
    """`seconds` and `tokens_per_s` (rows' tokens, prompts included) are of this run alone, not of the one it
    resumed. `best_step` is the one whose weights were kept, where that was chosen by the loss on held-out rows."""

    model: Any
    history: list[Entry]
    trained_tokens: int
    steps: int
    best_step: int | None
    seconds: float
    tokens_per_s: float
    checkpointing: bool


def plan(rows: TokenRows, config: FinetuneConfig) -> Plan:
    """Raises UsageError when a step cannot be shared out among the processes, or parts, that it was asked in."""
    at_once = rows_at_once(config)
    packed = packing.chosen(config.packing)
    if not packed:
        steps_per_pass = math.ceil(len(rows) / config.batch_size)
        steps = config.max_steps or math.ceil(config.epochs * len(rows) / config.batch_size)
        total = steps * config.batch_size if config.max_steps else math.ceil(config.epochs * len(rows))
        order = rows.order(total, config.batch_size, config.seed)
        share, lengths = rows.padding_share(order, at_once), rows.lengths()[order]
        return Plan(rows.dataset().select(order), False, steps, steps_per_pass, share, lengths, at_once * rows.longest)
    import numpy

    packs = packing.packs_of(rows, at_once)
    per_step = config.batch_size // at_once
    steps_per_pass = math.ceil(len(packs) / per_step)
    steps = config.max_steps or math.ceil(config.epochs * len(packs) / per_step)
    random = numpy.random.default_rng(config.seed)
    passes = -(-steps * per_step // len(packs))
    order = numpy.concatenate([random.permutation(len(packs)) for _ in range(passes)])[: steps * per_step]
    lengths = rows.lengths()
    sizes = numpy.array([lengths[pack].sum() for pack in packs])
    return Plan(rows.dataset(packs).select(order), True, steps, steps_per_pass, 0.0, sizes[order], int(sizes.max()))


def train(
    model: Any,
    tokenizer: Any,
    planned: Plan,
    eval_rows: TokenRows,
    config: FinetuneConfig,
    work: Path,
    progress: Progress,
    *,
    trial: bool = False,
) -> Trained:
    """Train `model` in place; `work` gets metrics.jsonl and `checkpoints/`, whose last finished one is continued from.
    A `trial` makes a few steps and leaves no checkpoint.

    Raises StoppedError after a signal, CotDistillError when memory runs out or the loss is no number.
    """
    from transformers import PrinterCallback

    steps = min(TRIAL_STEPS, planned.steps) if trial else planned.steps
    started = None if trial else last_checkpoint(work / "checkpoints")
    checkpointing = _needs_checkpointing(model, planned, config)
    if planned.packed and config.packing == "auto":
        model.set_attn_implementation("flash_attention_2")
    trainer = trainer_class()(
        model=model,
        args=arguments(
            config,
            steps,
            planned.steps_per_pass,
            work / "checkpoints",
            evaluating=bool(eval_rows) and not trial,
            packed=planned.packed,
            checkpointing=checkpointing,
            trial=trial,
        ),
        train_dataset=planned.examples,
        eval_dataset=_eval_examples(eval_rows, planned.packed) if eval_rows else None,
        data_collator=collator(_padding(tokenizer), packed=planned.packed),
        processing_class=tokenizer,
        peft_config=lora(config) if is_lora(config) else None,
    )
    watch = watcher(progress, work / "metrics.jsonl", config.patience, trainer)
    trainer.remove_callback(PrinterCallback)  # it prints to stdout
    trainer.add_callback(watch)
    progress.begin("finetune", steps)
    began = time.monotonic()
    with memory_explained(_REMEDY), stopping(watch):
        trainer.train(resume_from_checkpoint=str(started) if started else None)
    done = trainer.state.global_step
    if done < steps and not watch.patience_lost:
        raise StoppedError(f"stopped after step {done} of {steps}; --resume continues there")
    history = history_of(trainer.state)
    if any(not math.isfinite(entry.get("loss", 0.0)) for entry in history):
        raise CotDistillError("the loss is no number any more; give a smaller --learning-rate")
    best = trainer.state.best_model_checkpoint
    return Trained(
        model=_whole(trainer, config),
        history=history,
        trained_tokens=trainer.all_trained_tokens,
        steps=done,
        best_step=int(best.rpartition("-")[2]) if best else None,
        seconds=time.monotonic() - began,
        tokens_per_s=watch.tokens_per_s(),
        checkpointing=checkpointing,
    )


def estimate(model: Any, tokenizer: Any, planned: Plan, config: FinetuneConfig, work: Path) -> dict[str, float]:
    """What the whole run would take, from a few real steps; the first one is on the longest rows, for the memory."""
    free = memory.free_bytes() + memory.held_bytes()
    trial = _longest_first(planned, config.batch_size)
    with memory.peak_bytes() as peak:
        trained = train(model, tokenizer, trial, TokenRows(), config, work, Silent(), trial=True)
        measured = peak()
    return {
        "estimated_seconds": round(planned.tokens / trained.tokens_per_s, 1),
        "measured_memory_gb": round(measured / 1e9, 2),
        "free_memory_gb": round(free / 1e9, 2),
        "tokens_per_s": round(trained.tokens_per_s),
    }


def _longest_first(planned: Plan, count: int) -> Plan:
    """The `count` longest examples, then those that the run begins with."""
    import numpy

    longest = numpy.argsort(-planned.lengths, kind="stable")[:count]
    order = numpy.concatenate([longest, numpy.arange(len(planned.examples))])
    return replace(planned, examples=planned.examples.select(order), lengths=planned.lengths[order])


def last_checkpoint(checkpoints: Path) -> Path | None:
    finished = (mark.parent for mark in checkpoints.glob(f"checkpoint-*/{FINISHED}"))
    return max(finished, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _needed_bytes(model: Any, planned: Plan, config: FinetuneConfig) -> int:
    if not is_lora(config):
        return memory.needed_bytes(model, sum(weight.numel() for weight in model.parameters()), planned.widest)
    layers = _adapted(model)
    trainable = sum(config.lora_rank * (layer.in_features + layer.out_features) for layer in layers)
    return memory.needed_bytes(model, trainable, planned.widest, sum(layer.in_features for layer in layers))


def _adapted(model: Any) -> list[Any]:
    """LoRA puts two thin matrices beside each linear layer but the output's."""
    import torch

    head = model.get_output_embeddings()
    return [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear) and layer is not head]


def _needs_checkpointing(model: Any, planned: Plan, config: FinetuneConfig) -> bool:
    if config.checkpointing != "auto":
        return config.checkpointing == "on"
    return memory.is_short(_needed_bytes(model, planned, config), int(model.get_memory_footprint()))


def _padding(tokenizer: Any) -> int:
    pad = tokenizer.pad_token_id
    return int(tokenizer.eos_token_id if pad is None else pad)  # never read, and has no label


def _eval_examples(rows: TokenRows, packed: bool) -> Any:
    return rows.dataset([[row] for row in range(len(rows))]) if packed else rows.dataset()


def _whole(trainer: Any, config: FinetuneConfig) -> Any:
    """The trained model in one piece, also where several processes hold a part of it each (FSDP)."""
    import torch

    if not trainer.is_fsdp_enabled:
        return trainer.model
    weights = trainer.accelerator.get_state_dict(trainer.model)
    if not distributed.is_first():
        return None
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    plain = trainer.model.get_base_model() if is_lora(config) else trainer.model
    with torch.device("meta"):
        whole = AutoModelForCausalLM.from_config(plain.config, dtype=plain.dtype)
        whole = get_peft_model(whole, lora(config)) if is_lora(config) else whole
    whole.load_state_dict(weights, assign=True)
    whole.generation_config = plain.generation_config
    return whole
