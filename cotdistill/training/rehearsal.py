"""What is shown of a training run before its first step, and what a few steps of it take."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cotdistill.progress import Progress
from cotdistill.training import precision, sureness
from cotdistill.training.collator import padding
from cotdistill.training.defaults import Way
from cotdistill.training.need import checkpointing
from cotdistill.training.prepared import Job
from cotdistill.training.row_reader import SHOWN, marked
from cotdistill.training.trial import estimate


def show(job: Job, progress: Progress) -> None:
    """The first rows as the student meets them, then why each option that was not given is what it is: rows may fill
    more than a screen, and the last lines are what stands there in the end."""
    _show_rows(job, progress)
    for choice in job.choices:
        progress.note(f"{choice.option} {choice.value:g}: {choice.reason}")
    for way in _ways(job):
        progress.note(f"{way.option} {way.value}: {way.reason}")
    if job.objective and not job.objective.is_plain():
        asked = "the log-probabilities beside the rows" if job.config.teacher is None else job.config.teacher
        progress.note(f"loss {job.config.loss}: {f'asks {asked}' if job.objective.asks() else 'of the rows alone'}")


def _show_rows(job: Job, progress: Progress) -> None:
    wanted = SHOWN if job.config.show_rows is None else job.config.show_rows
    count = min(wanted, job.config.batch_size or 1, len(job.schedule.examples))
    kind = "pack of rows" if job.schedule.packed else "row"
    for number in range(count):
        rows = job.schedule.examples[number]["rows"]
        ids = [token for row in rows for token in job.rows.ids(row)]
        labels = [label for row in rows for label in job.rows.labels(row)]
        words = f"{kind} {number + 1} of the first batch, {len(ids)} tokens; 【】 holds what is trained"
        progress.note(f"{words}:\n{marked(job.tokenizer, ids, labels)}")


def _ways(job: Job) -> Iterator[Way]:
    """The options that were left to `auto`, and what they became."""
    config = job.config
    if config.student == "tiny":
        yield Way(
            "method", "full", "the weights of tiny are random, so all of them are trained, whatever --method says"
        )
    if config.precision == "auto":
        yield precision.way(config)
    if config.packing == "auto" and job.packing is not None:
        yield job.packing
    if config.checkpointing == "auto":
        yield checkpointing(job.model, job.schedule.widest, config, job.objective)


def ask_teacher(job: Job, progress: Progress) -> dict[str, float]:
    """How sure the teacher is of the rows, reported before the first step; empty where the loss does not learn from
    it."""
    objective = job.objective
    if objective is None or objective.needs in ("nothing", "pairs"):
        return {}
    if objective.teacher is not None:
        temperature = float(getattr(objective.loss, "temperature", 1.0))
        found = sureness.of_teacher(objective.teacher, job.rows, padding(job.tokenizer), temperature)
    elif objective.recorded is not None:
        found = objective.recorded.sureness()
        if found_in := objective.recorded.words():
            progress.note(found_in)
    else:
        return {}
    progress.note(found.words("soft" if objective.needs == "probabilities" else objective.spec))
    return found.results()


def rehearse(job: Job) -> dict[str, Any]:
    """Take a few real steps, which leave nothing on disk: seconds, memory and checkpoint size of the whole run."""
    with tempfile.TemporaryDirectory() as work:
        estimated = estimate(job, Path(work))
    teacher = job.objective.teacher if job.objective else None
    its = {"teacher_gb": round(teacher.get_memory_footprint() / 1e9, 2)} if teacher is not None else {}
    how = {"method": job.config.method, "padding_share": round(job.schedule.padding_share, 4)}
    return {**how, **estimated, **its}
