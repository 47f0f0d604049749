"""Rows -> a student: supervised fine-tuning whose loss falls on trace, answer and end token alone."""

import dataclasses
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import artifacts, students
from cotdistill.artifacts import ArtifactWriter, BadLines, FileInfo, Manifest
from cotdistill.config import FinetuneConfig, check
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.progress import Progress
from cotdistill.students import rendering
from cotdistill.students.rendering import Rendered, Row
from cotdistill.students.token_rows import TokenRows

PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers")

SHOWN = 3
"""Rows that a dry run shows; a run shows one."""

_FREE_TO_CHANGE = {"resume", "dry_run", "threads", "allow_modified", "skip_bad"}
"""Options that a resumed run may set anew: they change no weight."""


def run(rows: Path, student_dir: Path, config: FinetuneConfig, progress: Progress) -> Manifest:
    """Train `config.student` on `rows` and write it to `student_dir`, which appears whole or not at all.

    Work in progress stands in `<student_dir>.partial/`; with `resume` a killed run continues from its last
    checkpoint there. Raises CotDistillError for rows that cannot be trained on, StoppedError after a signal.
    """
    _check(config)
    bad = BadLines(artifacts.sibling(student_dir, "bad.jsonl") if config.skip_bad else None)
    with (
        artifacts.run("finetune", student_dir, dataclasses.asdict(config), PACKAGES, directory=True) as current,
        students.quiet(),
        bad,
    ):
        _check_replaceable(student_dir)
        current.read(rows, allow_modified=config.allow_modified, written_by="format")
        tokenizer = students.load_tokenizer(config.student)
        reader = _Reader(tokenizer, config, bad, progress)
        training = reader.read(rows)
        evaluating = TokenRows()
        if config.eval_data:
            evaluating = reader.read(current.read(Path(config.eval_data), allow_modified=config.allow_modified))
        counts = reader.counts(training, evaluating)
        if config.dry_run:
            return current.summary({**counts, "tokens": training.tokens, "trained_tokens": training.trained_tokens})
        partial = _work_directory(current, config, progress)
        return _train(current, partial, tokenizer, training, evaluating, config, counts, progress)


class _Reader:
    """Renders rows, leaves out what is too long, shows the first ones and counts."""

    def __init__(self, tokenizer: Any, config: FinetuneConfig, bad: BadLines, progress: Progress) -> None:
        self._tokenizer, self._config, self._bad, self._progress = tokenizer, config, bad, progress
        self._limit = min(config.max_length, tokenizer.model_max_length)
        self._counts: Counter[str] = Counter(too_long=0)
        self._to_show = SHOWN if config.dry_run else 1

    def read(self, path: Path) -> TokenRows:
        rows = TokenRows()
        shortest_left_out = 0
        for number, row in artifacts.read_numbered(path, Row, self._bad):
            try:
                rendered = rendering.render(self._tokenizer, row)
            except CotDistillError as error:
                self._bad.add(path, number, msgspec.json.encode(row), str(error))
                continue
            if len(rendered.input_ids) > self._limit:
                self._counts["too_long"] += 1
                shortest_left_out = min(shortest_left_out or len(rendered.input_ids), len(rendered.input_ids))
                continue
            self._counts[rendered.how] += 1
            self._show(row, rendered)
            rows.add(rendered)
        if rows:
            return rows
        if shortest_left_out:
            raise CotDistillError(
                f"{path}: every row is longer than {self._limit} tokens, the shortest has {shortest_left_out}. "
                f"Raise --max-length, up to the {self._tokenizer.model_max_length} that this student can read"
            )
        raise CotDistillError(f"{path}: holds no rows; expected one training row a line, as `cotdistill format` writes")

    def counts(self, training: TokenRows, evaluating: TokenRows) -> dict[str, int]:
        too_long = self._counts.pop("too_long")
        left_out = {"rows_too_long": too_long, "rows_bad": self._bad.count}
        steps = {"steps": _steps(self._config, len(training))}
        evaluation = {"eval_rows": len(evaluating)} if evaluating else {}
        if too_long:
            self._progress.note(f"{too_long} rows have more than {self._limit} tokens and are left out")
        return {"rows": len(training), **{name: n for name, n in left_out.items() if n}, **evaluation, **steps}

    def _show(self, row: Row, rendered: Rendered) -> None:
        if not self._to_show:
            return
        self._to_show -= 1
        read = self._tokenizer.decode(rendered.input_ids[: rendered.n_prompt])
        written = self._tokenizer.decode(rendered.input_ids[rendered.n_prompt :])
        self._progress.note(
            f"row {row.id}: {len(rendered.input_ids)} tokens, trace {rendered.how}, trained are those in 【】:\n"
            f"{_shortened(read, 300)}【{_shortened(written, 600)}】"
        )


def _shortened(text: str, limit: int) -> str:
    """The middle goes: what matters is how the parts meet."""
    return text if len(text) <= limit else f"{text[: limit // 2]} […] {text[-limit // 2 :]}"


def _train(
    current: artifacts.Run,
    partial: Path,
    tokenizer: Any,
    training: TokenRows,
    evaluating: TokenRows,
    config: FinetuneConfig,
    counts: dict[str, int],
    progress: Progress,
) -> Manifest:
    from cotdistill.students import saving
    from cotdistill.students.training import prepare, train

    model = students.load_model(config.student, tokenizer, seed=config.seed)
    stored = model.dtype
    parameters = model.num_parameters()
    prepare(model, config)
    trained = train(model, tokenizer, training, evaluating, config, partial / "checkpoints", progress)
    saving.save(
        trained.model, tokenizer, partial, student=config.student, stored=stored, end_tokens=training.end_tokens
    )
    with ArtifactWriter(partial / "metrics.jsonl") as metrics:
        for entry in trained.history:
            metrics.write(entry)
        metrics.commit()
    losses = [entry["loss"] for entry in trained.history if "loss" in entry]
    results = {
        "loss": round(losses[-1], 4),
        "parameters": parameters,
        "seconds": round(trained.seconds, 1),
        "tokens_per_s": round(trained.tokens_per_s),
    }
    return _publish(current, partial, {**counts, "trained_tokens": trained.trained_tokens}, results)


def _publish(current: artifacts.Run, partial: Path, counts: dict[str, int], results: dict[str, Any]) -> Manifest:
    """Manifest into the directory, then the directory into place: it is never there without."""
    shutil.rmtree(partial / "checkpoints", ignore_errors=True)
    (partial / _RECEIPT).unlink()
    files = [file for file in partial.rglob("*") if file.is_file() and file.name != "manifest.json"]
    files.sort(key=lambda file: (file.parent != partial, file.suffix != ".safetensors", file))  # the weights first
    outputs = tuple(
        FileInfo(path=str(current.output / file.relative_to(partial)), sha256=artifacts.sha256(file)) for file in files
    )
    manifest = current.summary(counts, outputs=outputs, results=results)
    current.write_manifest(manifest, partial / "manifest.json")
    for file in files:
        _sync(file)
    old = current.output.with_name(current.output.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if current.output.exists():
        current.output.rename(old)
    partial.rename(current.output)
    shutil.rmtree(old, ignore_errors=True)
    return manifest


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_RECEIPT = "run.json"
"""In a directory of work in progress: what it was begun with."""


def _work_directory(current: artifacts.Run, config: FinetuneConfig, progress: Progress) -> Path:
    """`<student_dir>.partial`, empty, or with the checkpoints that `resume` continues from.

    Raises UsageError when those were made from other rows or with other options."""
    from cotdistill.students.training import last_checkpoint

    partial = current.output.with_name(current.output.name + ".partial")
    options = {name: value for name, value in dataclasses.asdict(config).items() if name not in _FREE_TO_CHANGE}
    receipt = {**options, **{f"content of {info.path}": info.sha256 for info in current.inputs}}
    checkpoint = last_checkpoint(partial / "checkpoints")
    if config.resume and checkpoint:
        begun = msgspec.json.decode((partial / _RECEIPT).read_bytes())
        changed = sorted(name for name in {*begun, *receipt} if begun.get(name) != receipt.get(name))
        if changed:
            raise UsageError(f"{partial}: was begun with another {changed[0]}; drop --resume to start afresh")
        progress.note(f"continuing after step {checkpoint.name.rpartition('-')[2]}")
        return partial
    if config.resume:
        progress.note("no checkpoint to continue from; starting afresh")
    shutil.rmtree(partial, ignore_errors=True)
    artifacts.write_whole(partial / _RECEIPT, msgspec.json.encode(receipt))
    return partial


def _steps(config: FinetuneConfig, rows: int) -> int:
    from cotdistill.students.training import steps_of

    return steps_of(config, rows)


def _check(config: FinetuneConfig) -> None:
    if config.method not in ("lora", "full"):
        raise UsageError(f"--method {config.method!r}: expected lora or full")
    check(config)
    for name in ("epochs", "learning_rate"):
        value = getattr(config, name)
        if value is not None and value <= 0:
            raise UsageError(f"--{name.replace('_', '-')}: expected more than 0, got {value}")


def _check_replaceable(student_dir: Path) -> None:
    """Only a student that finetune wrote, or an empty directory, is replaced."""
    if not student_dir.exists() or (student_dir / "manifest.json").is_file():
        return
    if not student_dir.is_dir() or any(student_dir.iterdir()):
        raise UsageError(f"{student_dir}: exists and is no student that finetune wrote; give another -o")
