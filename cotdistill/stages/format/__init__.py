"""Kept responses -> training rows of problem, trace and answer, split by prompt."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from cotdistill import artifacts, exports, students
from cotdistill.artifacts import Manifest, outputs
from cotdistill.artifacts.outputs import Place
from cotdistill.artifacts.together import OfJudged, together, working_path
from cotdistill.chat import proof
from cotdistill.chat.proof import Proof
from cotdistill.config import FormatConfig, check, idle_notes
from cotdistill.exports import RowsExport
from cotdistill.progress import Progress
from cotdistill.publishing import data_set_card
from cotdistill.records import Judged
from cotdistill.stages.format.output import Output, paths_of, siblings
from cotdistill.stages.format.rows import Rows
from cotdistill.store.location import known_stores
from cotdistill.wording import counted


def run(kept: Path, train: Path, config: FormatConfig, progress: Progress, *, card: bool = True) -> Manifest:
    """Write rows to `train`; with a holdout also `<stem>.holdout.jsonl` (its rows) and
    `<stem>.holdout.prompts.jsonl` (its prompts, ready for evaluate). README.md beside it makes the directory a data
    set that `datasets.load_dataset` opens; none with `card` false.

    A prompt is wholly on one side. The side depends on the problem's text alone: not on its id, its order or
    the other prompts, so it stays the same as a data set grows. With a student each row is rendered by its chat
    template and proven. Raises CotDistillError for a row that cannot be.
    """
    check(config)
    trainers = exports.of_rows(config.export, config.format)
    proof = _proof(config, progress)
    maker = Rows(config, proof)
    work = working_path(train)
    places = [
        *(place for one in trainers for place in one.places(train, holdout=bool(config.holdout))),
        *outputs.replaced(Place(work, outputs.never, f"-o {train}")),
    ]
    with artifacts.run(
        "format",
        train,
        dataclasses.asdict(config),
        siblings=siblings(train, config),
        also=places,
        stores=known_stores(),
        inputs=[kept],
    ) as current:
        current.read(kept, written_by="filter")
        current.notes += idle_notes(config)
        current.read_named(("student", path) for path in students.recorded_files(config.student or ""))
        with Output(current, kept, train, config) as written, together(kept, OfJudged, work) as ordered:
            progress.begin("format", None)
            for _, samples in groupby(ordered.records(Judged, written.bad), key=lambda one: one.response.prompt.id):
                group = list(samples)
                written.write(group, maker.make(group))
                progress.update(written.records)
            current.notes += [*written.end(), *ordered.notes(), *written.bad.notes(), *_notes(maker, config)]
            current.notes += [*_emptiness(written.counts(), kept, config, maker), *written.notes()]
            manifest = _publish(current, written, maker, trainers, config)
    if card and (note := data_set_card.write(train.parent)):
        progress.note(note)
    return manifest


def _publish(
    current: artifacts.Run, written: Output, maker: Rows, trainers: Sequence[RowsExport], config: FormatConfig
) -> Manifest:
    train, columns = current.output, written.features.columns
    held_out = paths_of(train)[1] if config.holdout else None
    settings = [one.rows(train, held_out, config.format, columns.keys()) for one in trainers]
    current.notes += [f"{one.path}: settings for {name}" for one, name in zip(settings, config.export, strict=True)]
    if settings and "weight" in columns:
        current.notes.append("the weights stand in the rows, but only cotdistill's finetune heeds them")
    proven = maker.proof.results() if maker.proof else {}
    return current.publish(
        written.writers(),
        beside=settings,
        counts=written.counts() | _counts(maker),
        results={**proven, "features": written.features.declared()},
    )


_PAIRS = "dpo needs a right and a wrong answer of one prompt: filter with --keep-incorrect, no --select"


def _emptiness(rows: Mapping[str, int], kept: Path, config: FormatConfig, maker: Rows) -> list[str]:
    """A note where there is no row to train on, and why."""
    if rows["rows"]:
        return []
    if rows["holdout_rows"]:
        return ["WARNING: every row is held out, and none is left to train on: a smaller --holdout"]
    return [_nothing(kept, config, maker)]


def _nothing(kept: Path, config: FormatConfig, maker: Rows) -> str:
    """Why there is no row at all."""
    if any(maker.counts[name] for name in ("rows_too_long", "rows_not_proven", "mixed_out")):
        return f"no row of {kept} was written; the notes and counts say why"
    return f"{kept} holds nothing to write{f'; {_PAIRS}' if _is_dpo(config) else ''}"


def _is_dpo(config: FormatConfig) -> bool:
    return config.format.partition(":")[0] == "dpo"


def _counts(maker: Rows) -> dict[str, int]:
    """What is zero stays out, but for what everybody looks for."""
    of_note = {name: count for name, count in maker.counts.items() if count}
    cut = {"rows_cut": maker.proof.cut} if maker.proof and maker.proof.cut else {}
    return {"without_reasoning": 0, **of_note, **cut}


def _proof(config: FormatConfig, progress: Progress) -> Proof | None:
    if config.student is None:
        return None
    students.need_packages(config.student)
    from cotdistill.students import load

    tokenizer = load.tokenizer(config.student)
    proof.check(tokenizer)
    coloured = sys.stderr.isatty()
    return Proof(tokenizer, config.max_length, config.show, progress.note, coloured)


def _notes(maker: Rows, config: FormatConfig) -> list[str]:
    notes, counts = [], maker.counts
    if counts["without_reasoning"] and config.format != "answer_only":
        rows = counted(counts["without_reasoning"], "row has", "rows have")
        notes.append(f"{rows} no separate reasoning; the answer text is all")
    if counts["prompts_without_rows"]:
        why = _PAIRS if _is_dpo(config) else f"{config.format} made none"
        notes.append(f"{counted(counts['prompts_without_rows'], 'prompt')} without a row: {why}")
    if counts["rows_too_long"] and maker.proof:
        way = "a larger --max-length takes such rows"
        if config.cut_long:
            way = "not even the first step of such a trace fits"
        elif config.can_cut:
            way += ", and --cut-long cuts such traces at the end of a step"
        notes.append(
            f"{counted(counts['rows_too_long'], 'row is', 'rows are')} left out for more than "
            f"{maker.proof.max_length} tokens; {way}"
        )
    notes += [f"--mix {name}: no row has this tag; see --tag-field of generate" for name in maker.without_rows()]
    if counts["rows_not_proven"]:
        notes.append(f"{counted(counts['rows_not_proven'], 'row')} cannot be written with this student's chat template")
    return notes
