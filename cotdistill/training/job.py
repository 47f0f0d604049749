"""One training run, from tokenised rows to a student's files: what the finetune stage calls."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from cotdistill import artifacts, plugins
from cotdistill.artifacts import ArtifactWriter
from cotdistill.chat.apply import template_kwargs
from cotdistill.config import FinetuneConfig
from cotdistill.errors import UsageError
from cotdistill.progress import Progress
from cotdistill.students import load, memory, quantized, settings
from cotdistill.students.settings import Settings
from cotdistill.training import (
    checkpoints,
    distributed,
    earlier,
    need,
    packing,
    precision,
    preference,
    save,
    student_directory,
)
from cotdistill.training.defaults import choose
from cotdistill.training.habits import habits
from cotdistill.training.local_teacher import device
from cotdistill.training.loss_curve import svg
from cotdistill.training.objective import Objective
from cotdistill.training.prepared import Job
from cotdistill.training.recorded import Recorded
from cotdistill.training.schedule import schedule
from cotdistill.training.sft_config import set_threads
from cotdistill.training.token_rows import TokenRows
from cotdistill.training.train import Trained, train, warm_up


def prepare(
    tokenizer: PreTrainedTokenizerBase,
    rows: TokenRows,
    held_out: TokenRows,
    config: FinetuneConfig,
    recorded: Recorded | None = None,
) -> Job:
    """Load the student, choose the values that the config leaves open, and put the rows into order."""
    if config.dry_run and distributed.count() > 1:
        raise UsageError(
            f"--dry-run: measures one process, and this is one of {distributed.count()}. Start it without accelerate "
            "launch, with the part of --batch-size that one process has"
        )
    model, stored = load_student(tokenizer, config)
    if config.on_pairs:
        return _prepare_pairs(tokenizer, model, stored, rows, config)
    chosen, choices = choose(config, len(rows), model.config.get_text_config().hidden_size)
    objective = Objective.of(config, tokenizer, rows.longest, recorded)
    packed = packing.chosen(config, objective.readers(model), rows)
    planned = schedule(rows, chosen, packed=packed.value != "none")
    return Job(
        config=chosen,
        tokenizer=tokenizer,
        model=model,
        rows=rows,
        schedule=planned,
        held_out=held_out,
        objective=objective,
        stored=stored,
        choices=choices,
        packing=packed,
    )


def _prepare_pairs(
    tokenizer: PreTrainedTokenizerBase,
    model: PreTrainedModel,
    stored: torch.dtype | None,
    rows: TokenRows,
    config: FinetuneConfig,
) -> Job:
    if distributed.count() > 1:
        raise UsageError(f"--loss {config.loss}: trains in one process. Start it without accelerate launch")
    width = model.config.get_text_config().hidden_size
    chosen, choices = preference.choose_for_pairs(config, len(rows) // 2, width)
    loss: Any = plugins.build("losses", config.loss)
    return Job(
        config=chosen,
        tokenizer=tokenizer,
        model=model,
        rows=rows,
        schedule=preference.schedule(rows, chosen),
        batch_source=preference.PairBatches.of(model, float(loss.beta), config),
        stored=stored,
        choices=choices,
    )


def load_student(
    tokenizer: PreTrainedTokenizerBase, config: FinetuneConfig
) -> tuple[PreTrainedModel, torch.dtype | None]:
    """The model on the device and in the number format that it is trained in, and the number format that its weights
    came in."""
    set_threads(config)
    with memory.memory_explained("student"):
        if config.method == "qlora":
            model = quantized.load(config.student)
        else:
            model = load.model(config.student, tokenizer, seed=config.seed)
        # what is rounded for a file is kept as it is: 16 bits would round it again
        stored = torch.float32 if config.quant_aware else save.dtype_of(model, config.student)
        precision.prepare(model, config)
        if config.method != "qlora" and not distributed.shards_weights():  # FSDP hands out the parts itself
            model.to(device())
    return model, stored


def run(job: Job, work: Path, progress: Progress) -> tuple[Trained, dict[str, Any]]:
    """Train, and write the student's files to `work`. Returns what was trained, and the manifest's results."""
    parameters = job.parameters
    if said := need.said_of_checkpoints(job.model, job.config, work):
        progress.note(said)
    if job.packing is not None and job.packing.notable:
        progress.note(f"{job.packing.option} {job.packing.value}: {job.packing.reason}")
    with distributed.together():
        trained = train(job, work, progress)
        distributed.leave()
    ends = job.rows.end_tokens
    save.save(trained.model, job.tokenizer, work, student=job.config.student, stored=job.stored, end_tokens=ends)
    settings.write(work, Settings(template_kwargs(job.tokenizer), single_questions=not job.rows.going_on))
    with ArtifactWriter(work / "metrics.jsonl") as metrics:
        for entry in trained.history:
            metrics.write(entry)
        metrics.commit()
    artifacts.write_whole(work / "loss.svg", svg(trained.history).encode())
    results = _results(trained, parameters, job)
    if job.held_out:
        results |= habits(work, job.held_out, job.config.threads)
    return trained, results


def _results(trained: Trained, parameters: int, job: Job) -> dict[str, Any]:
    losses = [entry["loss"] for entry in trained.history if "loss" in entry]
    held = [entry["eval_loss"] for entry in trained.history if "eval_loss" in entry]
    best = {"best_step": trained.best_step} if trained.best_step else {}
    return {
        "loss": round(losses[-1], 4),
        **({"eval_loss": round(min(held) if best else held[-1], 4)} if held else {}),
        **best,
        "parameters": parameters,
        **{choice.option: choice.value for choice in job.choices},
        "precision": "bfloat16" if precision.is_half(job.config) else "float32",
        "seconds": round(trained.seconds, 1),
        **warm_up(trained),
        "tokens_per_s": round(trained.tokens_per_s),
        "padding_share": round(job.schedule.padding_share, 4),
        **({"quant_aware": job.config.quant_aware} if job.config.quant_aware else {}),
        **({"processes": processes} if (processes := distributed.count()) > 1 else {}),
        **({"packed": True} if job.schedule.packed else {}),
        **({"fused_layers": True} if trained.fused else {}),
        **({"activations_computed_twice": True} if trained.checkpointing else {}),
    }


def work_directory(
    output: Path, inputs: Sequence[artifacts.FileInfo], config: FinetuneConfig, progress: Progress
) -> Path:
    """`<output>.partial`: empty but for what is kept of a stopped run, or with the checkpoint that `resume` continues
    from.

    Raises UsageError when that was made from other rows or with other options.
    """
    free = student_directory.FREE_TO_CHANGE
    options = {name: value for name, value in dataclasses.asdict(config).items() if name not in free}
    receipt = {**options, **{f"content of {info.path}": info.sha256 for info in inputs}}
    work = student_directory.work_directory(output)
    folder = work / "checkpoints"
    if config.resume:
        earlier.take_back(work, receipt)
    elif (step := earlier.set_aside(work)) is not None:
        progress.note(
            f"{work}: a run was stopped after step {step}. Its checkpoints are kept until this run has saved one of "
            "its own; to continue it instead, stop this run and give the command of then with --resume"
        )
    checkpoint, spoilt = checkpoints.newest(folder) if config.resume else (None, [])
    if config.resume and checkpoint:
        student_directory.check_continues(output, receipt)
        for words in spoilt:
            progress.note(f"WARNING: {words}; an older checkpoint is used")
        checkpoints.remove_newer(folder, checkpoint)
        progress.note(f"continuing after step {checkpoints.step(checkpoint)}")
        return work
    if config.resume:
        for words in spoilt:
            progress.note(f"WARNING: {words}")
        progress.note(f"no {'whole ' if spoilt else ''}checkpoint to continue from; starting afresh")
    return student_directory.begin(output, receipt)
