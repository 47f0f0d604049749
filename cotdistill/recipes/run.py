"""Run a recipe: the stages that are new or changed, in a dated directory, with everything else linked from before.

A stage runs again when its options, the files they name, its input or the version of cotdistill differ from those of
the last complete run; manifests say so without reading the data. A killed run is continued in its own directory.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from cotdistill import artifacts
from cotdistill.artifacts import Manifest
from cotdistill.dispatch.budget import Budget
from cotdistill.dispatch.session import RECIPE
from cotdistill.errors import BudgetError, CotDistillError, UsageError
from cotdistill.inputs import hub
from cotdistill.progress import Progress, about
from cotdistill.publishing import data_set_card
from cotdistill.recipes import directories, empty, record
from cotdistill.recipes.directories import Directories
from cotdistill.recipes.lookups import OF_THIS_RUN
from cotdistill.recipes.month import spent_this_month
from cotdistill.recipes.recipe import Recipe
from cotdistill.recipes.record import RunRecord, StageRecord

FIRST = "first run"
"""Why a stage runs that no run has yet."""


@dataclass(frozen=True)
class Step:
    """A stage of this run: what decides, what was, and why it runs; `why` None where nothing changed."""

    stage: str
    options: Any
    now: StageRecord
    why: str | None
    source: Path | None
    """The run that has this stage's files already."""


@dataclass(frozen=True)
class Outcome:
    """`directory` is the run that `latest` points at; `record` is None where nothing was new."""

    directory: Path
    record: RunRecord | None
    stopped_by: str | None = None


def run(recipe: Recipe, progress: Progress) -> Outcome:
    """Run what is new. Raises OutputLockedError when another run holds the runs' directory, and what stages raise;
    then the same call continues."""
    recipe.runs.mkdir(parents=True, exist_ok=True)
    with artifacts.lock(Directories(recipe.runs, recipe.path).lock):
        return _Chain(recipe, progress).run()


def plan(recipe: Recipe, progress: Progress, *, estimate: bool = True) -> list[tuple[str, str]]:
    """Each stage with what would happen to it and why, and with `estimate` what generate would ask and cost; sends
    nothing, writes nothing."""
    chain = _Chain(recipe, progress)
    lines: list[tuple[str, str]] = []
    for step in chain.steps():
        if step.why is None:
            lines.append((step.stage, "nothing new"))
            continue
        lines.append((step.stage, f"runs: {step.why}"))
        if step.stage == "generate" and estimate:
            lines += [("", line) for line in chain.estimate(step).splitlines()]
        rest = list(recipe.stages)[list(recipe.stages).index(step.stage) + 1 :]
        lines += [(stage, "runs if its input changes") for stage in rest]
        break
    return lines


class _Chain:
    def __init__(self, recipe: Recipe, progress: Progress) -> None:
        self.recipe, self.progress = recipe, progress
        self.prompts = hub.fetch(recipe.prompts, progress.note)
        self.heldout = hub.fetch(recipe.heldout, progress.note) if recipe.heldout else None
        self.directories = Directories(recipe.runs, recipe.path)
        found = self.directories.runs()
        self.last = next((run.path for run in reversed(found) if run.record.complete), None)
        newest = found[-1] if found else None
        unfinished = newest if newest and not newest.record.complete else None
        self.here: Path | None = unfinished.path if unfinished else None
        self.record = unfinished.record if unfinished else None
        self.budget: Budget | None = None
        """Of the month, once a stage has asked for it."""
        self._waiting: list[Step] = []
        """Stages with nothing new, to be linked if a later one runs."""

    def steps(self) -> Iterator[Step]:
        """In order; each looks at what the one before left, so the caller runs or links a stage before it asks on."""
        inputs: dict[str, Path | str] = {str(self.recipe.prompts): self.prompts}
        for stage, options in self.recipe.stages.items():
            if stage == "evaluate" and self.heldout:
                inputs[str(self.recipe.heldout)] = self.heldout
            now = record.about(options, inputs)
            why, source = "", None
            for place in (self.last, self.here):  # what this run has already goes before what the last one left
                reason = _why(stage, now, place)
                if not reason:
                    source = place
                why = reason if reason != FIRST or not why else why
            yield Step(stage, options, now, None if source else why, source)
            if (made := source or self.here) is None:
                return
            inputs = {**record.sha_of(stage, made), **(inputs if stage == "finetune" else {})}

    def run(self) -> Outcome:
        for step in self.steps():
            if step.why is None and step.source is not None:
                self._keep(step, step.source)
                continue
            with about(stage=step.stage):
                stopped_by = self._run(step)
            if stopped_by:
                return self._end(stopped_by)
        return self._end(None)

    def estimate(self, step: Step) -> str:
        """In words, what generate would ask."""
        from cotdistill.artifacts import summary
        from cotdistill.stages import generate

        options = replace(step.options, dry_run=True)
        with tempfile.TemporaryDirectory() as nowhere:
            manifest = generate.run(self.prompts, Path(nowhere) / "responses.jsonl", options, self.progress)
        return summary.as_text(manifest)

    def _keep(self, step: Step, source: Path) -> None:
        if self.here is None:
            self._waiting.append(step)
        elif source != self.here:
            record.link(step.stage, source, self.here)
            if step.stage == "format":
                data_set_card.write(self.here)
            self._note(step, replace_record(step.now, did="reused", why=f"nothing new since {source.name}"))

    def _begin(self) -> tuple[Path, RunRecord]:
        """The directory of this run, made when the first stage has something to do."""
        if self.here is None or self.record is None:
            begun = self.directories.begin()
            self.here, self.record = begun.path, begun.record
            for step in self._waiting:
                if step.source:
                    self._keep(step, step.source)
        return self.here, self.record

    def _run(self, step: Step) -> str | None:
        """Run one stage. Returns what stopped it, where something did; raises CotDistillError where it has no input."""
        here, known = self._begin()
        held_out = "evaluate" in self.recipe.stages and self.heldout is None
        if why := empty.why_not(step.stage, here, needs_holdout=held_out):
            raise CotDistillError(why)
        resumed = known.begun == step.stage
        known.begun = step.stage
        record.save(here, known)
        self.progress.note(f"{step.stage}: runs, {step.why}")
        began = time.monotonic()
        options, month = self._options(step), self._month(step.stage)
        account = RECIPE.set(str(self.recipe.path.resolve()))
        try:
            manifest = _call(step, self.prompts, self.heldout, here, options, self.progress, resumed, month)
        finally:
            RECIPE.reset(account)
        stage = replace_record(step.now, did="ran", why=step.why or "", complete=manifest.complete)
        stage.seconds, stage.counts = round(time.monotonic() - began, 1), dict(manifest.counts)
        stage.spent_usd, stage.guard_failed = manifest.results.get("spent_usd"), manifest.guard_failed
        known.begun = None
        self._note(step, stage)
        from cotdistill.artifacts import summary

        for line in summary.as_text(manifest).splitlines():
            self.progress.note(line)
        return manifest.stopped_by

    def _note(self, step: Step, stage: StageRecord) -> None:
        here, known = self._begin()
        stage.states = record.states(step.stage, here)
        known.stages[step.stage] = stage
        record.save(here, known)

    def _options(self, step: Step) -> Any:
        """With the recipe's one store, for what a judge or an evaluation asks too."""
        asking = self.recipe.stages.get("generate")
        if step.stage not in ("filter", "evaluate") or step.options.cache or asking is None or asking.no_cache:
            return step.options
        return replace(step.options, cache=asking.cache)

    def _month(self, stage: str) -> Budget | None:
        """What the month's budget leaves, for this stage and those after it. Raises BudgetError when nothing is left
        and the teacher is to be asked."""
        limit, asking = self.recipe.max_cost_per_month, self.recipe.stages.get("generate")
        if limit is None or asking is None or stage not in ("generate", "filter", "evaluate"):
            return None
        if self.budget is None:
            left = Decimal(str(limit)) - spent_this_month(self.recipe.path, asking)
            self.progress.note(f"{left:.2f} of {limit} USD are left this month")
            name = f"max_cost_per_month = {limit}; what is left of it:"
            self.budget = Budget(max(left, Decimal(0)), name, too_small=BudgetError)
        if self.budget.left <= 0 and stage == "generate":
            raise BudgetError(f"max_cost_per_month: {limit} USD are spent; the run goes on next month")
        return self.budget

    def _end(self, stopped_by: str | None) -> Outcome:
        if self.here is None or self.record is None:
            assert self.last is not None, "a recipe has a stage, and it ran or was found"
            self.directories.point_latest()
            return Outcome(self.last, None)
        self.record.changes = record.changes(self.here, self.last)
        self.record.ended_at = artifacts.now()
        if stopped_by is not None:
            record.save(self.here, self.record)
            return Outcome(self.here, self.record, stopped_by)
        directories.finish(self.here, self.record)
        self.directories.point_latest()
        if self.recipe.keep:
            for note in self.directories.prune(self.recipe.keep):
                self.progress.note(note)
        return Outcome(self.here, self.record)


def _why(stage: str, now: StageRecord, place: Path | None) -> str:
    """Why what a run has of a stage does not serve; empty where it does."""
    known = record.of(place) if place else None
    before = known.stages.get(stage) if known else None
    if place is None or before is None:
        return FIRST
    return record.difference(now, before) or record.damage(stage, place, before) or ""


def replace_record(record: StageRecord, **more: Any) -> StageRecord:
    """A copy with other fields."""
    import msgspec

    return msgspec.structs.replace(record, **more)


def _call(
    step: Step,
    prompts: Path,
    heldout: Path | None,
    here: Path,
    options: Any,
    progress: Progress,
    resumed: bool,
    month: Budget | None,
) -> Manifest:
    from cotdistill.stages import evaluate, filter, format, generate

    calls: dict[str, Callable[[], Manifest]] = {
        "generate": lambda: generate.run(prompts, here / "responses.jsonl", options, progress, month=month),
        "filter": lambda: filter.run(here / "responses.jsonl", here / "kept.jsonl", options, progress, month=month),
        "format": lambda: format.run(here / "kept.jsonl", here / "train.jsonl", options, progress),
        "finetune": lambda: _finetune(here, options, progress, resumed),
        "evaluate": lambda: evaluate.run(
            heldout or here / "train.holdout.prompts.jsonl",
            here / "scores.json",
            options if options.student != OF_THIS_RUN else replace(options, student=str(here / "student")),
            progress,
            month=month,
        ),
    }
    return calls[step.stage]()


def _finetune(here: Path, options: Any, progress: Progress, resumed: bool) -> Manifest:
    """A killed training goes on from its last checkpoint, unless rows or options are others now."""
    from cotdistill.stages import finetune

    if resumed:
        try:
            return finetune.run(here / "train.jsonl", here / "student", replace(options, resume=True), progress)
        except UsageError as error:
            progress.note(f"starting afresh: {error}")
    return finetune.run(here / "train.jsonl", here / "student", options, progress)
