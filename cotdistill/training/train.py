"""Supervised fine-tuning on rows that are tokens already, with TRL's SFTTrainer."""

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedModel, PrinterCallback
from trl import SFTConfig

from cotdistill.config import FinetuneConfig
from cotdistill.errors import CotDistillError, StoppedError, UsageError
from cotdistill.progress import Progress
from cotdistill.students.memory import memory_explained
from cotdistill.training import checkpoints, distributed, fused, precision
from cotdistill.training.callbacks import Watch, history_of
from cotdistill.training.collator import Collator, needs_mask, padding
from cotdistill.training.entries import Entry
from cotdistill.training.loss import is_compact
from cotdistill.training.need import needs_checkpointing
from cotdistill.training.prepared import Job
from cotdistill.training.quant_aware import Grid
from cotdistill.training.sft_config import arguments, lora
from cotdistill.training.token_rows import TokenRows, examples
from cotdistill.training.trainer import Trainer, stopping
from cotdistill.training.unmasked import read_unmasked

_REMEDY = "--rows-at-once (fewer rows in memory, the same result), --batch-size or --max-length"
_REMEDY_OF_TIME = f"{_REMEDY}, or --checkpointing on (less memory, more time)"


@dataclass(frozen=True)
class Trained:
    """`seconds`, `warm_up_s` (what the first steps took longer than the others) and `tokens_per_s` (rows' tokens,
    prompts included, after the warm-up) are of this run alone, not of the one it resumed. `best_step` is the one whose
    weights were kept, where that was chosen by the loss on held-out rows."""

    model: Any
    history: list[Entry]
    trained_tokens: int
    steps: int
    best_step: int | None
    seconds: float
    warm_up_s: float
    tokens_per_s: float
    checkpointing: bool
    fused: bool


def warm_up(trained: Trained) -> dict[str, float]:
    """The warm-up's seconds for the manifest; nothing where it took less than one."""
    return {"warm_up_seconds": round(trained.warm_up_s, 1)} if trained.warm_up_s >= 1 else {}


def train(job: Job, work: Path, progress: Progress, *, trial: int = 0) -> Trained:
    """Train the job's model in place; `work` gets metrics.jsonl and `checkpoints/`, whose last finished one is
    continued from. A `trial` makes so many steps at most, and leaves no checkpoint.

    Raises StoppedError after a signal, CotDistillError when memory runs out or the loss is no number.
    """
    config, planned, objective = job.config, job.schedule, job.objective
    steps = min(trial or planned.steps, planned.steps)
    started = None if trial else checkpoints.newest(work / "checkpoints")[0]
    settings = arguments(
        config,
        planned,
        work / "checkpoints",
        steps=steps,
        evaluating=bool(job.held_out) and not trial,
        checkpointing=needs_checkpointing(job.model, planned.widest, config, objective),
        trial=bool(trial),
    )
    is_fused = _fit_attention(job)
    trainer = _trainer(job, settings)
    chosen_by_loss = settings.load_best_model_at_end
    watch = Watch(
        progress,
        work / "metrics.jsonl",
        trainer,
        patience=config.patience,
        checkpoint_s=None if trial or chosen_by_loss else config.checkpoint_minutes * 60,
    )
    trainer.remove_callback(PrinterCallback)  # it prints to stdout
    trainer.add_callback(watch)
    progress.begin("finetune", steps)
    began = time.monotonic()
    with memory_explained(_REMEDY if settings.gradient_checkpointing else _REMEDY_OF_TIME), stopping(watch):
        trainer.train(resume_from_checkpoint=str(started) if started else None)
    done = trainer.state.global_step
    if done < steps and not watch.patience_lost:
        raise StoppedError(
            f"stopped after step {done} of {steps}; --resume, and in a recipe the same command, continues there"
        )
    history = history_of(trainer.state)
    if any(not math.isfinite(entry.get("loss", 0.0)) for entry in history):
        raise CotDistillError("the loss is no number any more; give a smaller --learning-rate")
    if trainer.grid is not None:
        trainer.grid.round()
    best = trainer.state.best_model_checkpoint
    if objective is not None:
        objective.detach(trainer.model)
    return Trained(
        model=_whole(trainer, config),
        history=history,
        trained_tokens=trainer.all_trained_tokens,
        steps=done,
        best_step=int(best.rpartition("-")[2]) if best else None,
        seconds=time.monotonic() - began,
        warm_up_s=watch.warm_up_s,
        tokens_per_s=watch.tokens_per_s(),
        checkpointing=settings.gradient_checkpointing,
        fused=is_fused,
    )


def _fit_attention(job: Job) -> bool:
    """Set the attention that the rows and the loss need, and that no step waits for. Returns whether layers are
    fused."""
    if not job.schedule.packed and not needs_mask(job.model):
        for model in _readers(job):
            read_unmasked(model)
    if job.objective is not None:
        job.objective.prepare(job.model, packed=job.schedule.packed)
    return fused.fuse_layers(job.model)


def _readers(job: Job) -> Iterable[PreTrainedModel]:
    if job.batch_source is not None:
        return job.batch_source.readers(job.model)
    return [job.model] if job.objective is None else job.objective.readers(job.model).values()


def _trainer(job: Job, settings: SFTConfig) -> Trainer:
    """Raises UsageError for a loss that cannot be learnt in pieces (FSDP)."""
    model, config, objective, planned = job.model, job.config, job.objective, job.schedule
    compact, masked = is_compact(model), needs_mask(model)
    if config.adapts:
        torch.manual_seed(config.seed)  # of the adapter's random half
        autocast = not precision.is_half(config)
        model = get_peft_model(model, lora(config), autocast_adapter_dtype=autocast)
        # transformers reads a checkpoint's adapter so, into 32 bits unless it is said
        model.load_adapter = partial(model.load_adapter, autocast_adapter_dtype=autocast)
    if objective is not None:
        objective.attach(model, config)
    precision.autocast(model, config)
    recorded = objective.recorded if objective else None
    collator = Collator(planned.rows, padding(job.tokenizer), planned.packed, compact, masked, job.held_out, recorded)
    trainer = (job.batch_source.trainer if job.batch_source else Trainer)(
        model=model,
        args=settings,
        train_dataset=planned.examples,
        eval_dataset=_examples_of(job.held_out) if job.held_out else None,
        data_collator=job.batch_source.collator(collator) if job.batch_source else collator,
        processing_class=job.tokenizer,
        optimizer_cls_and_kwargs=precision.optimizer(config),
    )
    trainer.grid = Grid.of(model, config, planned.steps)
    trainer.objective = None if objective is None or objective.is_plain() else objective
    if objective is not None and objective.projections and trainer.is_fsdp_enabled:
        raise UsageError(
            f"--loss {config.loss}: has layers of its own to learn, for the teacher's width is another, and FSDP would "
            "cut them up. Take a teacher as wide as the student, --loss soft, or processes without FSDP"
        )
    return trainer


def _examples_of(rows: TokenRows) -> Any:
    return examples(([row] for row in range(len(rows))), held_out=True)


def _whole(trainer: Trainer, config: FinetuneConfig) -> Any:
    """The trained model in one piece, also where several processes hold a part of it each (FSDP); None for all of
    these but the first."""
    if not trainer.is_fsdp_enabled:
        return trainer.model
    weights: Mapping[str, torch.Tensor] = trainer.accelerator.get_state_dict(trainer.model)
    if not distributed.is_first():
        return None
    plain = trainer.model.get_base_model() if config.adapts else trainer.model
    with torch.device("meta"):
        whole = AutoModelForCausalLM.from_config(plain.config, dtype=plain.dtype)
        whole = get_peft_model(whole, lora(config)) if config.adapts else whole
    whole.load_state_dict(weights, assign=True)
    whole.generation_config = plain.generation_config
    return whole
