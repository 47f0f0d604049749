"""TRL's settings for this machine: its costly defaults off, and what the hardware has on."""

from pathlib import Path

import torch
from peft import LoraConfig
from trl import SFTConfig

from cotdistill.config import FinetuneConfig
from cotdistill.training import distributed, precision
from cotdistill.training.schedule import Schedule, rows_at_once


def set_threads(config: FinetuneConfig) -> None:
    threads = config.threads or (1 if config.student == "tiny" else None)
    if threads:  # two threads on a model this small wait for each other longer than they work
        torch.set_num_threads(threads)


def arguments(
    config: FinetuneConfig,
    planned: Schedule,
    checkpoints: Path,
    *,
    steps: int | None = None,
    evaluating: bool = False,
    checkpointing: bool = False,
    trial: bool = False,
) -> SFTConfig:
    """TRL's settings for `steps` of the schedule, None for all. `checkpointing`: compute activations twice instead of
    keeping them. `trial`: leave nothing on disk. Checkpoints are saved by `callbacks.Watch`, by the clock, but where
    the best of several is chosen by its loss."""
    steps = planned.steps if steps is None else steps
    gpu = torch.cuda.is_available()
    at_once = rows_at_once(config)
    early = evaluating and config.patience is not None
    settings = SFTConfig(
        output_dir=str(checkpoints),
        max_steps=steps,
        per_device_train_batch_size=1 if planned.packed else at_once,
        per_device_eval_batch_size=at_once,
        gradient_accumulation_steps=(config.batch_size or 1) // distributed.count() // at_once,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": 0.05},
        warmup_steps=round(config.warmup * steps),
        weight_decay=config.weight_decay,
        adam_beta2=precision.beta2(config),
        seed=config.seed,
        train_sampling_strategy="sequential",  # the rows come in TokenRows.order
        remove_unused_columns=False,  # the examples are row numbers, which the collator looks up
        max_length=None,  # too long rows were left out before; TRL would cut them
        dataset_kwargs={"skip_prepare_dataset": True},
        bf16=precision.autocasts_in_accelerate(config),
        gradient_checkpointing=checkpointing,
        activation_checkpointing=checkpointing,
        use_cpu=not gpu,
        dataloader_pin_memory=gpu,
        accelerator_config={"non_blocking": gpu},  # else each batch waits until the GPU is done with the last one
        logging_strategy="no",  # `callbacks.Watch` logs, every so many steps, without waiting for the GPU
        logging_steps=max(1, steps // 100),
        logging_nan_inf_filter=False,  # it would hide a loss that is no number behind an average, and look at each
        eval_strategy="steps" if evaluating else "no",
        eval_steps=planned.steps_per_pass,
        prediction_loss_only=True,
        save_strategy="steps" if early and not trial else "no",
        save_steps=planned.steps_per_pass,
        save_total_limit=2,  # one of them may be half written when the machine goes down
        load_best_model_at_end=early and not trial,
        metric_for_best_model="eval_loss" if early else None,
        greater_is_better=False if early else None,
        ddp_find_unused_parameters=False,
        report_to=[],
        disable_tqdm=True,
        log_level="error",
    )
    # Where a process sees several GPUs, transformers would cut each batch up among them (torch's DataParallel), counts
    # and row ends with it. One process has one GPU; `accelerate launch` starts one for each.
    settings._n_gpu = min(settings.n_gpu, 1)
    return settings


def lora(config: FinetuneConfig) -> LoraConfig:
    return LoraConfig(
        r=config.lora_rank, lora_alpha=config.lora_alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )
