"""Rows -> a student: supervised fine-tuning whose loss falls on trace, answer and end token alone."""

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from cotdistill import artifacts, students
from cotdistill.artifacts import ArtifactWriter, Manifest, lineage
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.config import FinetuneConfig, check
from cotdistill.errors import DONE
from cotdistill.progress import Progress, Silent
from cotdistill.training import distributed, student_directory
from cotdistill.training.row_reader import SHOWN, Reader, marked
from cotdistill.training.token_rows import TokenRows

PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers")

_FREE_TO_CHANGE = {"resume", "dry_run", "threads", "rows_at_once", "checkpointing", "allow_modified", "skip_bad"}
"""Options that a resumed run may set anew: they change no weight."""


def run(rows: Path, student_dir: Path, config: FinetuneConfig, progress: Progress) -> Manifest:
    """Train `config.student` on `rows` and write it to `student_dir`, which appears whole or not at all.

    Work in progress stands in `<student_dir>.partial/`; with `resume` a killed run continues from its last
    checkpoint there. Raises CotDistillError for rows that cannot be trained on, StoppedError after a signal.
    """
    check(config)
    if config.method == "qlora":
        from cotdistill.students import quantized

        quantized.check()
    if not distributed.is_first():
        _help_first(rows, student_dir, config)
    bad = BadLines(artifacts.sibling(student_dir, "bad.jsonl") if config.skip_bad else None)
    with (
        artifacts.run("finetune", student_dir, dataclasses.asdict(config), PACKAGES, directory=True) as current,
        students.quiet(),
        bad,
    ):
        student_directory.check_replaceable(student_dir)
        current.read(rows, allow_modified=config.allow_modified, written_by="format")
        if config.eval_data:
            current.read(Path(config.eval_data), allow_modified=config.allow_modified)
        data = _read(rows, config, bad, progress)
        counts = _counts(data, bad, config, progress)
        if config.dry_run:
            return _rehearse(current, data, counts, config, progress)
        work = _work_directory(current, config, progress)
        distributed.wait_for_all()
        return _train(current, work, data, config, counts, progress)


@dataclass(frozen=True)
class _Data:
    tokenizer: Any
    training: TokenRows
    evaluating: TokenRows
    plan: Any
    reader: Reader


def _read(rows: Path, config: FinetuneConfig, bad: BadLines, progress: Progress) -> _Data:
    from cotdistill.training.train import plan

    tokenizer = students.load_tokenizer(config.student)
    reader = Reader(tokenizer, config.max_length, bad, progress, 0 if config.dry_run else SHOWN)
    training = reader.read(rows)
    evaluating = reader.read(Path(config.eval_data)) if config.eval_data else TokenRows()
    return _Data(tokenizer, training, evaluating, plan(training, config), reader)


def _counts(data: _Data, bad: BadLines, config: FinetuneConfig, progress: Progress) -> dict[str, int]:
    left_out = {"rows_too_long": data.reader.too_long, "rows_bad": bad.count}
    if data.reader.too_long:
        limit = min(config.max_length, data.tokenizer.model_max_length)
        progress.note(f"{data.reader.too_long} rows have more than {limit} tokens and are left out")
    evaluation = {"eval_rows": len(data.evaluating)} if data.evaluating else {}
    counts = {"rows": len(data.training), **{name: n for name, n in left_out.items() if n}, **evaluation}
    return {**counts, "steps": data.plan.steps}


def _rehearse(
    current: artifacts.Run, data: _Data, counts: dict[str, int], config: FinetuneConfig, progress: Progress
) -> Manifest:
    """The first batch, and a few real steps, nowhere kept: what the whole would take."""
    from cotdistill.training.train import estimate

    first = list(data.plan.examples.select(range(min(config.batch_size, len(data.plan.examples)))))
    progress.note(
        f"the first batch, {'packs of rows' if data.plan.packed else 'rows'}; trained is what stands in 【】:"
    )
    for number, example in enumerate(first, 1):
        words = f"{number} of {len(first)}, {len(example['input_ids'])} tokens"
        progress.note(f"{words}:\n{marked(data.tokenizer, example)}")

    model = _load(config, data.tokenizer)
    with tempfile.TemporaryDirectory() as work:
        estimated = estimate(model, data.tokenizer, data.plan, config, Path(work))
    tokens = {"tokens": data.training.tokens, "trained_tokens": data.training.trained_tokens}
    results = {"padding_share": round(data.plan.padding_share, 4), **estimated}
    return current.summary({**counts, **tokens}, results=results)


def _train(
    current: artifacts.Run,
    work: Path,
    data: _Data,
    config: FinetuneConfig,
    counts: dict[str, int],
    progress: Progress,
) -> Manifest:
    from cotdistill.chat.template import template_kwargs
    from cotdistill.publishing import model_card
    from cotdistill.training import habits, loss_curve, save
    from cotdistill.training.train import train

    model = _load(config, data.tokenizer)
    stored, parameters = model.cotdistill_stored, model.num_parameters()
    trained = train(model, data.tokenizer, data.plan, data.evaluating, config, work, progress)
    ends = data.training.end_tokens
    save.save(trained.model, data.tokenizer, work, student=config.student, stored=stored, end_tokens=ends)
    save.write_settings(work, template_kwargs(data.tokenizer))
    with ArtifactWriter(work / "metrics.jsonl") as metrics:
        for entry in trained.history:
            metrics.write(entry)
        metrics.commit()
    artifacts.write_whole(work / "loss.svg", loss_curve.svg(trained.history).encode())
    counts = {**counts, "steps": trained.steps, "trained_tokens": trained.trained_tokens}
    results = _results(trained, parameters, data)
    del model
    if data.evaluating:
        results |= habits.habits(work, data.evaluating, config.threads)
    model_card.write(
        work,
        name=current.output.name,
        student=config.student,
        options=dataclasses.asdict(config),
        results=results,
        counts=counts,
        sources=list(lineage.manifests(Path(current.inputs[0].path))),
    )
    return student_directory.publish(current, work, counts, results)


def _results(trained: Any, parameters: int, data: _Data) -> dict[str, Any]:
    losses = [entry["loss"] for entry in trained.history if "loss" in entry]
    held = [entry["eval_loss"] for entry in trained.history if "eval_loss" in entry]
    best = {"best_step": trained.best_step} if trained.best_step else {}
    return {
        "loss": round(losses[-1], 4),
        **({"eval_loss": round(min(held) if best else held[-1], 4)} if held else {}),
        **best,
        "parameters": parameters,
        "seconds": round(trained.seconds, 1),
        "tokens_per_s": round(trained.tokens_per_s),
        "padding_share": round(data.plan.padding_share, 4),
        **({"activations_computed_twice": True} if trained.checkpointing else {}),
    }


def _load(config: FinetuneConfig, tokenizer: Any) -> Any:
    from cotdistill.students import memory, quantized
    from cotdistill.training.sft_config import prepare

    with memory.memory_explained("student"):
        if config.method == "qlora":
            model = quantized.load(config.student)
        else:
            model = students.load_model(config.student, tokenizer, seed=config.seed)
        model.cotdistill_stored = model.dtype
        prepare(model, config)
    return model


def _help_first(rows: Path, student_dir: Path, config: FinetuneConfig) -> NoReturn:
    """What every process but the first one does: compute. The first one has checked everything before."""
    from cotdistill.training.train import train

    with students.quiet(), tempfile.TemporaryDirectory() as scratch:
        distributed.wait_for_all()
        bad = BadLines(Path(scratch) / "bad.jsonl" if config.skip_bad else None)
        data = _read(rows, config, bad, Silent())
        model = _load(config, data.tokenizer)
        work = student_directory.work_directory(student_dir)
        train(model, data.tokenizer, data.plan, data.evaluating, config, work, Silent())
    raise SystemExit(DONE)


def _work_directory(current: artifacts.Run, config: FinetuneConfig, progress: Progress) -> Path:
    """`<student_dir>.partial`, empty, or with the checkpoints that `resume` continues from.

    Raises UsageError when those were made from other rows or with other options."""
    from cotdistill.training.train import last_checkpoint

    options = {name: value for name, value in dataclasses.asdict(config).items() if name not in _FREE_TO_CHANGE}
    receipt = {**options, **{f"content of {info.path}": info.sha256 for info in current.inputs}}
    checkpoint = last_checkpoint(student_directory.work_directory(current.output) / "checkpoints")
    if config.resume and checkpoint:
        work = student_directory.check_continues(current.output, receipt)
        progress.note(f"continuing after step {checkpoint.name.rpartition('-')[2]}")
        return work
    if config.resume:
        progress.note("no checkpoint to continue from; starting afresh")
    return student_directory.begin(current.output, receipt)
