"""Supervised fine-tuning on rows that are tokens already: TRL's SFTTrainer with its costly defaults off."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotdistill.config import FinetuneConfig
from cotdistill.errors import CotDistillError, StoppedError
from cotdistill.progress import Progress
from cotdistill.students import tiny
from cotdistill.students.token_rows import TokenRows
from cotdistill.students.trainer import FINISHED, stopping, trainer_class, watcher

_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "failed to allocate")


@dataclass(frozen=True)
class Trained:
    """`history`: step, loss, learning_rate, tokens, and eval_loss, in the order they were logged. `seconds` and
    `tokens_per_s` (rows' tokens, prompts included) are of this run alone, not of the one it resumed."""

    model: Any
    history: list[dict[str, float]]
    trained_tokens: int
    seconds: float
    tokens_per_s: float


def steps_of(config: FinetuneConfig, rows: int) -> int:
    return config.max_steps or math.ceil(config.epochs * rows / config.batch_size)


def train(
    model: Any,
    tokenizer: Any,
    rows: TokenRows,
    eval_rows: TokenRows,
    config: FinetuneConfig,
    checkpoints: Path,
    progress: Progress,
) -> Trained:
    """Train `model` in place; checkpoints appear in `checkpoints`, and the last finished one is continued from.

    Raises StoppedError after a signal, CotDistillError when memory runs out or the loss is no number.
    """
    from transformers import PrinterCallback

    steps = steps_of(config, len(rows))
    total = steps * config.batch_size if config.max_steps else math.ceil(config.epochs * len(rows))
    order = rows.order(total, config.batch_size, config.seed)
    started = last_checkpoint(checkpoints)
    trainer = trainer_class()(
        model=model,
        args=_arguments(config, steps, math.ceil(len(rows) / config.batch_size), bool(eval_rows), checkpoints),
        train_dataset=rows.dataset().select(order),
        eval_dataset=eval_rows.dataset() if eval_rows else None,
        processing_class=tokenizer,
        peft_config=_lora(config) if is_lora(config) else None,
    )
    watch = watcher(progress)
    trainer.remove_callback(PrinterCallback)  # it prints to stdout
    trainer.add_callback(watch)
    progress.begin("finetune", steps)
    began = time.monotonic()
    with memory_explained("--batch-size or --max-length"), stopping(watch):
        trainer.train(resume_from_checkpoint=str(started) if started else None)
    if trainer.state.global_step < steps:
        raise StoppedError(f"stopped after step {trainer.state.global_step} of {steps}; --resume continues there")
    history = [_entry(logged) for logged in trainer.state.log_history if "loss" in logged or "eval_loss" in logged]
    if any(not math.isfinite(entry.get("loss", 0.0)) for entry in history):
        raise CotDistillError("the loss is no number any more; give a smaller --learning-rate")
    seconds = time.monotonic() - began
    return Trained(trainer.model, history, trainer.trained_tokens, seconds, trainer.read_tokens / seconds)


def is_lora(config: FinetuneConfig) -> bool:
    return config.method == "lora" and config.student != "tiny"


def last_checkpoint(checkpoints: Path) -> Path | None:
    finished = (mark.parent for mark in checkpoints.glob(f"checkpoint-*/{FINISHED}"))
    return max(finished, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def prepare(model: Any, config: FinetuneConfig) -> None:
    """Threads and number format for this machine. LoRA's base is frozen, so half its bits do where the hardware
    has bfloat16; weights that learn keep 32 bits, or small steps would be rounded away."""
    import torch

    threads = config.threads or (1 if config.student == "tiny" else None)
    if threads:  # two threads on a model this small wait for each other longer than they work
        torch.set_num_threads(threads)
    model.to(torch.bfloat16 if is_lora(config) and has_bfloat16() else torch.float32)


def has_bfloat16() -> bool:
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    fast = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(fast and fast())


def _arguments(config: FinetuneConfig, steps: int, steps_per_pass: int, evaluating: bool, checkpoints: Path) -> Any:
    import torch
    from trl import SFTConfig

    gpu = torch.cuda.is_available()
    is_tiny = config.student == "tiny"
    log_every = max(1, steps // 100)
    return SFTConfig(
        output_dir=str(checkpoints),
        max_steps=steps,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        learning_rate=config.learning_rate or default_learning_rate(config),
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": 0.05},
        warmup_steps=round(config.warmup * steps),
        weight_decay=config.weight_decay,
        adam_beta2=tiny.ADAM_BETA2 if is_tiny else 0.999,
        seed=config.seed,
        train_sampling_strategy="sequential",  # the rows come in TokenRows.order
        max_length=None,  # too long rows were left out before; TRL would cut them
        dataset_kwargs={"skip_prepare_dataset": True},
        bf16=gpu and not is_lora(config) and has_bfloat16(),
        gradient_checkpointing=gpu and not is_tiny,  # on a CPU memory is cheaper than the second forward pass
        activation_checkpointing=gpu and not is_tiny,
        use_cpu=not gpu,
        dataloader_pin_memory=gpu,
        logging_steps=log_every,
        logging_nan_inf_filter=False,  # it would hide a loss that is no number behind an average
        eval_strategy="steps" if evaluating else "no",
        eval_steps=steps_per_pass,
        prediction_loss_only=True,
        save_steps=log_every * 10,
        save_total_limit=2,  # one of them may be half written when the machine goes down
        report_to=[],
        disable_tqdm=True,
        log_level="error",
    )


def default_learning_rate(config: FinetuneConfig) -> float:
    if config.student == "tiny":
        return tiny.LEARNING_RATE
    return 2e-4 if is_lora(config) else 2e-5


def _lora(config: FinetuneConfig) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=config.lora_rank, lora_alpha=config.lora_alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def _entry(logged: dict[str, float]) -> dict[str, float]:
    wanted = ("step", "loss", "eval_loss", "learning_rate", "tokens")
    return {name: logged[name] for name in wanted if name in logged}


@contextmanager
def memory_explained(remedy: str) -> Iterator[None]:
    """Torch's several ways to say that memory ran out, as one line."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or any(words in str(error).lower() for words in _OUT_OF_MEMORY):
            raise CotDistillError(f"out of memory: give a smaller {remedy}, or take a smaller student") from None
        raise
