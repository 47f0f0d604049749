"""TRL's settings for this machine: its costly defaults off, and what the hardware has on."""

from pathlib import Path
from typing import Any

from cotdistill.config import FinetuneConfig
from cotdistill.errors import UsageError
from cotdistill.students import tiny
from cotdistill.students.device import has_bfloat16
from cotdistill.training import distributed


def is_lora(config: FinetuneConfig) -> bool:
    return config.method in ("lora", "qlora") and config.student != "tiny"


def rows_at_once(config: FinetuneConfig) -> int:
    """Rows that one process has in memory at once. Raises UsageError when a step cannot be shared out evenly."""
    here, rest = divmod(config.batch_size, distributed.count())
    if rest:
        processes = distributed.count()
        raise UsageError(f"--batch-size {config.batch_size}: expected a multiple of the {processes} processes")
    at_once = config.rows_at_once or here
    if here % at_once:
        raise UsageError(f"--rows-at-once {at_once}: expected a divisor of the {here} rows that a step has here")
    return at_once


def prepare(model: Any, config: FinetuneConfig) -> None:
    """Threads and number format for this machine. LoRA's base is frozen, so half its bits do where the hardware
    has bfloat16; weights that learn keep 32 bits, or small steps would be rounded away."""
    import torch

    threads = config.threads or (1 if config.student == "tiny" else None)
    if threads:  # two threads on a model this small wait for each other longer than they work
        torch.set_num_threads(threads)
    if config.method != "qlora":
        model.to(torch.bfloat16 if is_lora(config) and has_bfloat16() else torch.float32)


def autocasts(config: FinetuneConfig) -> bool:
    """Whether weights of 32 bits are multiplied in bfloat16: all of them on a GPU, and LoRA's anywhere, for else PEFT
    would multiply its share in 32 bits beside a base that has 16."""
    import torch

    return has_bfloat16() and (torch.cuda.is_available() or is_lora(config))


def arguments(
    config: FinetuneConfig,
    steps: int,
    steps_per_pass: int,
    checkpoints: Path,
    *,
    evaluating: bool = False,
    packed: bool = False,
    checkpointing: bool = False,
    trial: bool = False,
) -> Any:
    """`checkpointing`: compute activations twice instead of keeping them. `trial`: leave nothing on disk."""
    import torch
    from trl import SFTConfig

    gpu = torch.cuda.is_available()
    at_once = rows_at_once(config)
    log_every = max(1, steps // 100)
    early = evaluating and config.patience is not None
    return SFTConfig(
        output_dir=str(checkpoints),
        max_steps=steps,
        per_device_train_batch_size=1 if packed else at_once,
        per_device_eval_batch_size=at_once,
        gradient_accumulation_steps=config.batch_size // distributed.count() // at_once,
        learning_rate=config.learning_rate or default_learning_rate(config),
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": 0.05},
        warmup_steps=round(config.warmup * steps),
        weight_decay=config.weight_decay,
        adam_beta2=tiny.ADAM_BETA2 if config.student == "tiny" else 0.999,
        seed=config.seed,
        train_sampling_strategy="sequential",  # the rows come in TokenRows.order
        remove_unused_columns=False,  # `weights` is none of the model's own inputs
        max_length=None,  # too long rows were left out before; TRL would cut them
        dataset_kwargs={"skip_prepare_dataset": True},
        bf16=autocasts(config),
        gradient_checkpointing=checkpointing,
        activation_checkpointing=checkpointing,
        use_cpu=not gpu,
        dataloader_pin_memory=gpu,
        logging_steps=log_every,
        logging_nan_inf_filter=False,  # it would hide a loss that is no number behind an average
        eval_strategy="steps" if evaluating else "no",
        eval_steps=steps_per_pass,
        prediction_loss_only=True,
        save_strategy="no" if trial else "steps",
        save_steps=steps_per_pass if early else log_every * 10,
        save_total_limit=2,  # one of them may be half written when the machine goes down
        load_best_model_at_end=early,
        metric_for_best_model="eval_loss" if early else None,
        greater_is_better=False if early else None,
        ddp_find_unused_parameters=False,
        report_to=[],
        disable_tqdm=True,
        log_level="error",
    )


def default_learning_rate(config: FinetuneConfig) -> float:
    if config.student == "tiny":
        return tiny.LEARNING_RATE
    return 2e-4 if is_lora(config) else 2e-5


def lora(config: FinetuneConfig) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=config.lora_rank, lora_alpha=config.lora_alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )
