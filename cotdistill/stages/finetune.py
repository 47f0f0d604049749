"""Rows -> a student: supervised fine-tuning whose loss falls on trace, answer and end token alone."""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cotdistill import artifacts, plugins, students
from cotdistill.artifacts import Manifest
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.artifacts.kinds import PAIRS, kind_of
from cotdistill.artifacts.logprobs.carried import source_of
from cotdistill.config import FinetuneConfig, check, idle_notes
from cotdistill.dispatch.budget import Budget
from cotdistill.errors import UsageError
from cotdistill.progress import Progress
from cotdistill.stages import on_policy, training_run
from cotdistill.stages.formatted import formatted
from cotdistill.store.location import known_stores
from cotdistill.wording import counted

if TYPE_CHECKING:
    from cotdistill.training.prepared import Job
    from cotdistill.training.token_rows import TokenRows

PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "torch-optimi")


def run(
    rows: Path, student_dir: Path, config: FinetuneConfig, progress: Progress, *, month: Budget | None = None
) -> Manifest:
    """Train `config.student` on `rows` and write it to `student_dir`, which appears whole or not at all. What filter
    wrote is formatted for the student first, and stands as rows beside it. With `on_policy` the input is prompts.

    Work in progress stands in `<student_dir>.partial/`; with `resume` a killed run continues from its last
    checkpoint there. Raises CotDistillError for rows that cannot be trained on, StoppedError after a signal.
    """
    check(config)
    config = config.as_trained()
    if config.on_policy:
        with students.quiet():
            return on_policy.run(rows, student_dir, config, progress, month=month)
    with students.quiet(), _leading(), ExitStack() as stack:
        rows = stack.enter_context(formatted(rows, student_dir, "train", config, progress))
        if config.eval_data:
            eval_data = stack.enter_context(formatted(Path(config.eval_data), student_dir, "eval", config, progress))
            config = dataclasses.replace(config, eval_data=str(eval_data))
        return _run(rows, student_dir, config, progress, stack)


def _run(rows: Path, student_dir: Path, config: FinetuneConfig, progress: Progress, stack: ExitStack) -> Manifest:
    from cotdistill.training import job, reading, rehearsal, student_directory

    bad = BadLines(artifacts.sibling(student_dir, "bad.jsonl") if config.skip_bad else None)
    with (
        training_run.opened(rows, student_dir, config, PACKAGES, bad, known_stores()) as current,
        bad,
    ):
        _check_hardware(config)
        _read_inputs(current, rows, config)
        current.notes += idle_notes(config)
        if not (config.dry_run or config.resume) and (made := student_directory.same(current)):
            return made
        _check_kind(rows, config)
        read = reading.read(rows, config, bad, progress, stack)
        if (said := _said_of_overlap(read.held_out, read.training)) and not config.dry_run:
            progress.note(said)  # before hours of training, and again in the summary
        current.notes += [said] * bool(said)
        prepared = job.prepare(read.tokenizer, read.training, read.held_out, config, read.recorded)
        counts = _counts(prepared, read.too_long, bad, progress)
        of_teacher = rehearsal.ask_teacher(prepared, progress)
        if config.dry_run:
            rehearsal.show(prepared, progress)
            counts |= {"tokens": read.training.tokens, "trained_tokens": read.training.trained_tokens}
            return current.summary(counts=counts, results={**of_teacher, **rehearsal.rehearse(prepared)})
        return training_run.train_and_publish(
            current,
            prepared,
            config,
            counts,
            bad,
            progress,
            results_of=lambda _: of_teacher,
            trained_on=_trained_on,
        )


def _trained_on(counts: Mapping[str, int]) -> str:
    """For the model card; "" for rows, which it describes by itself."""
    pairs = counts.get("pairs")
    return f"trained on {pairs:,} pairs of a right and a wrong answer (DPO)" if pairs else ""


def _check_hardware(config: FinetuneConfig) -> None:
    """Raises CotDistillError for a method that does not work here."""
    from cotdistill.students import quantized
    from cotdistill.training import distributed

    if config.method == "qlora":
        quantized.check()
    if config.quant_aware and distributed.shards_weights():
        raise UsageError(
            f"--quant-aware {config.quant_aware}: rounds whole weights, block by block, and with FSDP each process "
            "holds a part of them. Start it without FSDP: one process, or several with a copy each"
        )


def _read_inputs(current: artifacts.Run, rows: Path, config: FinetuneConfig) -> None:
    current.read(rows, written_by="format")
    others = [("eval_data", Path(config.eval_data))] if config.eval_data else []
    others += [("student", path) for path in students.recorded_files(config.student)]
    others += [("teacher", path) for path in students.recorded_files(config.teacher or "")]
    if config.loss != FinetuneConfig.loss and config.teacher is None and (beside := source_of(rows)):
        others.append(("logprobs", beside))
    others += [("loss", path) for path in plugins.files("losses", config.loss)]
    current.read_named(others)


def _check_kind(rows: Path, config: FinetuneConfig) -> None:
    """Raises UsageError for pairs where rows are trained on, and the other way round."""
    found = kind_of(rows)
    if found == PAIRS and not config.on_pairs:
        raise UsageError(f"{rows}: holds preference pairs; --loss dpo trains on them")
    if config.on_pairs and found not in (PAIRS, None):
        raise UsageError(
            f"{rows}: holds {found}; --loss dpo trains on preference pairs, which `format --format dpo` writes from "
            "what `filter --keep-incorrect` kept"
        )


def _said_of_overlap(held_out: "TokenRows", training: "TokenRows") -> str:
    if not (known := held_out.with_prompts_of(training)):
        return ""
    return (
        f"WARNING: of {counted(len(held_out), 'row')} of --eval-data {known:,} have a prompt that is trained on: their "
        "loss does not say what the student learns for new ones, nor when to stop. format --holdout sets rows aside"
    )


@contextmanager
def _leading() -> Iterator[None]:
    """Where several processes train: the others learn that this one fails. torch is imported for them alone."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield
        return
    from cotdistill.training import distributed

    with distributed.leading():
        yield


def is_helper() -> bool:
    """Whether this is one of several processes that `accelerate launch` started, and not the first."""
    return os.environ.get("RANK", "0") != "0"


def help_first(student_dir: Path, config: FinetuneConfig) -> bool:
    """What every process but the first one does: compute. The first one reads, writes, checks and reports; where it
    fails, this is False. What the options alone decide each says for itself: the first one has ended before it could
    be asked. Raises what `config.check` raises."""
    check(config)
    config = config.as_trained()
    if config.on_policy:
        return False
    with students.quiet():
        from cotdistill.training import shared_rows

        return shared_rows.help_first(student_dir, config)


def _counts(prepared: "Job", too_long: int, bad: BadLines, progress: Progress) -> dict[str, int]:
    if too_long:
        limit = min(prepared.config.max_length, prepared.tokenizer.model_max_length)
        progress.note(f"{counted(too_long, 'row is', 'rows are')} left out for more than {limit} tokens")
    left_out = {"rows_too_long": too_long, "rows_bad": bad.count}
    return {
        **({"pairs": prepared.pairs} if prepared.pairs else {"rows": len(prepared.rows)}),
        **{name: count for name, count in left_out.items() if count},
        **({"eval_rows": len(prepared.held_out)} if prepared.held_out else {}),
        "steps": prepared.schedule.steps,
    }
