"""The steps of a recipe, one after the other: those that are new or changed run, the others are linked from before.

A step runs again when its options, the files they name, its input or the version of cotdistill differ from those of
an earlier run; manifests say so without reading the data. A killed run is continued in its own directory.
"""

import tempfile
import time
import uuid
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import artifacts
from cotdistill.config.on_policy import scores_over_api
from cotdistill.dispatch.budget import Budget
from cotdistill.dispatch.payer import PAYER, Payer
from cotdistill.errors import BudgetError, CotDistillError
from cotdistill.progress import Progress, about
from cotdistill.publishing import data_set_card
from cotdistill.recipes import calls, empty, figures, record
from cotdistill.recipes.calls import Files
from cotdistill.recipes.directories import Run
from cotdistill.recipes.month import SpentByOthers, spent_this_month
from cotdistill.recipes.place import FIRST, Look, Outcome, Place, why_again
from cotdistill.recipes.recipe import Recipe
from cotdistill.recipes.record import StageRecord
from cotdistill.recipes.references import Reference
from cotdistill.recipes.seen import words_of
from cotdistill.recipes.steps import Step
from cotdistill.recipes.stores import in_store_of
from cotdistill.wording import amount, usd


class Chain:
    def __init__(self, recipe: Recipe, place: Place, progress: Progress) -> None:
        self.recipe, self.place, self.progress = recipe, place, progress
        self.files = Files(recipe.steps, progress)
        self.run_: Run | None = place.unfinished
        self.budget: Budget | None = None
        """Of the month, once a step has asked for it."""
        self.payer = Payer(str(recipe.path.resolve()), uuid.uuid4().hex)
        self.made: dict[str, Path] = {}
        """By step, the run that has what it makes."""
        self._waiting: list[Look] = []
        """Steps with nothing new, to be linked if a later one runs."""

    @property
    def here(self) -> Path | None:
        return self.run_.path if self.run_ else None

    def look(self, step: Step) -> Look | None:
        """What is to be done with a step; None where one that it needs has not run."""
        inputs: dict[str, Path | str] = {}
        for one in step.inputs:
            if isinstance(one, Path):
                inputs[str(one)] = self.files.own(one)
        for reference in step.references():
            if reference.step not in self.made:
                return None
            inputs |= record.made(self.files.steps[reference.step], reference.what, self.made[reference.step])
        now = record.about(step.options, inputs)
        why, source = "", None
        for place in (*self.place.sources, self.here):  # what this run has already goes before what the last one left
            reason = why_again(step, now, place)
            if not reason:
                source = place
            why = reason if reason != FIRST or not why else why
        if source is not None:
            self.made[step.name] = source
        return Look(step, now, None if source else why, source)

    def run(self) -> Outcome:
        for step in self.recipe.steps:
            look = self.look(step)
            assert look is not None, "the steps that it needs stand above it, and ran"
            if look.why is None and look.source is not None:
                self._keep(look, look.source)
                continue
            with about(stage=step.name):
                stopped_by = self._run(look)
            if stopped_by:
                return self._end(stopped_by)
        return self._end(None)

    def estimate(self, step: Step) -> str:
        """In words, what a step would ask and cost."""
        from cotdistill.artifacts import summary

        return summary.as_text(self.rehearse(step))

    def rehearse(self, step: Step) -> artifacts.Manifest:
        """A dry run of a step that asks a teacher and reads nothing that is not there yet."""
        options = replace(step.options, dry_run=True)
        with tempfile.TemporaryDirectory() as nowhere:
            (source,) = step.inputs
            made = self.files.own(source) if isinstance(source, Path) else self._standing(source)
            return calls.call(step, made, Path(nowhere), options, self.progress, resumed=False, month=None)

    def _standing(self, reference: Reference) -> Path:
        return self.files.made(reference, self.made[reference.step])

    def _keep(self, look: Look, source: Path) -> None:
        if self.run_ is None:
            self._waiting.append(look)
        elif source != self.run_.path:
            record.link(look.step, source, self.run_.path)
            if look.step.stage == "format":
                data_set_card.write(self.run_.path)
            self._note(look.step, _replaced(look.now, did="reused", why=f"nothing new since {source.name}"))
            self.made[look.step.name] = self.run_.path

    def _begin(self) -> Run:
        """The directory of this run, made when the first step has something to do."""
        if self.run_ is None:
            self.run_ = self.place.begin()
            for look in self._waiting:
                if look.source:
                    self._keep(look, look.source)
        return self.run_

    def _run(self, look: Look) -> str | None:
        """Run one step. Returns what stopped it, where something did; raises CotDistillError where it has no input."""
        run, step = self._begin(), look.step
        self._check_inputs(step, run.path)
        resumed = run.record.begun == step.name
        run.record.begun = step.name
        record.save(run.path, run.record)
        self.progress.note(f"{step.name}: runs, {look.why}")
        began = time.monotonic()
        month = self._month(step)
        options = in_store_of(self.files.options(step, run.path), self.recipe.options_of("generate"))
        source = self.files.input(step, run.path)
        payer = PAYER.set(self.payer)
        try:
            manifest = calls.call(step, source, run.path, options, self.progress, resumed=resumed, month=month)
        finally:
            PAYER.reset(payer)
        stage = _replaced(look.now, did="ran", why=look.why or "", complete=manifest.complete)
        stage.seconds, stage.counts = round(time.monotonic() - began, 1), dict(manifest.counts)
        stage.spent_usd, stage.guard_failed = manifest.results.get("spent_usd"), manifest.guard_failed
        run.record.begun = None
        self._note(step, stage)
        self.made[step.name] = run.path
        from cotdistill.artifacts import summary

        for line in summary.as_text(manifest, words_of(self.progress)).splitlines():
            self.progress.note(line)
        return manifest.stopped_by

    def _check_inputs(self, step: Step, here: Path) -> None:
        """Raises CotDistillError where there is nothing in what the step reads. What a later step will ask of what was
        held out is looked at before a training."""
        wanted = [one for one in step.inputs if isinstance(one, Reference)]
        if step.stage == "finetune":
            later = [one for other in self.recipe.steps for one in other.inputs if isinstance(one, Reference)]
            wanted += [one for one in later if one.what.startswith("held-out") and one.step in self.made]
        whys = [empty.why_not(self.files.steps[one.step], one.what, here) for one in wanted]
        of_inputs = whys[: len(step.inputs)]
        if of_inputs and all(of_inputs):
            raise CotDistillError(of_inputs[0] or "")
        if why := next((why for why in whys[len(step.inputs) :] if why), None):
            raise CotDistillError(why)

    def _note(self, step: Step, stage: StageRecord) -> None:
        run = self._begin()
        stage.states = record.states(step, run.path)
        run.record.stages[step.name] = stage
        record.save(run.path, run.record)

    def _month(self, step: Step) -> Budget | None:
        """What the month's budget leaves, for this step and those after it. Raises BudgetError when nothing is left
        and the teacher is to be asked."""
        limit = self.recipe.max_cost_per_month
        free = step.stage == "format" or (step.stage == "finetune" and not scores_over_api(step.options))
        if limit is None or free:
            return None
        if self.budget is None:
            others = SpentByOthers(
                self.recipe, self.payer.run
            )  # before the sum: what is paid in between counts twice, not never
            left = Decimal(str(limit)) - spent_this_month(self.recipe)
            self.progress.note(f"{amount(left)} of {usd(limit)} are left this month")
            name = f"max_cost_per_month = {limit}; what is left of it:"
            self.budget = Budget(max(left, Decimal(0)), name, too_small=BudgetError, others=others)
        if self.budget.left <= 0 and step.stage in ("expand", "generate"):
            raise BudgetError(f"max_cost_per_month: {usd(limit)} are spent; the run goes on next month")
        return self.budget

    def _end(self, stopped_by: str | None) -> Outcome:
        last = self.place.last
        if self.run_ is None and last is not None and all(look.source == last for look in self._waiting):
            self.place.nothing_new()
            return Outcome(last, None)
        run = self._begin()
        run.record.changes = figures.changes(self.recipe.steps, run.path, None if last == run.path else last)
        run.record.ended_at = artifacts.now()
        if stopped_by is not None:
            record.save(run.path, run.record)
            return Outcome(run.path, run.record, stopped_by)
        self.place.end(run)
        return Outcome(run.path, run.record)


def _replaced(record: StageRecord, **more: Any) -> StageRecord:
    """A copy with other fields."""
    return msgspec.structs.replace(record, **more)
