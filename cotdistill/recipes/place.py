"""Where a run of a recipe stands among others, which files of a step it can reuse, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cotdistill.errors import BUDGET, DONE, SOME_FAILED
from cotdistill.recipes import record
from cotdistill.recipes.directories import Run
from cotdistill.recipes.record import RunRecord, StageRecord
from cotdistill.recipes.steps import Step

FIRST = "first run"
"""The reason to run a step that no run has run yet."""


class Place(Protocol):
    """Where one run stands, and the runs that it may link files from."""

    sources: Sequence[Path]
    """Runs to link from; the last one takes precedence."""
    last: Path | None
    """The complete run before this one, which `changes` compares with."""
    unfinished: Run | None

    def begin(self) -> Run:
        """Make the directory of this run, with a record."""
        ...

    def end(self, run: Run) -> None:
        """Mark the run complete."""
        ...

    def nothing_new(self) -> None:
        """Called where nothing was to be done."""
        ...


@dataclass(frozen=True)
class Look:
    """A step of this run: what decides whether it runs, the reason to run (None where nothing changed), and the run
    that has its files."""

    step: Step
    now: StageRecord
    why: str | None
    source: Path | None


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `directory` has the files of the last complete run; `record` is None where nothing was new."""

    directory: Path
    record: RunRecord | None
    stopped_by: str | None = None

    @property
    def exit_code(self) -> int:
        if self.stopped_by:
            return BUDGET
        stages = self.record.stages.values() if self.record else ()
        return DONE if all(stage.complete and not stage.guard_failed for stage in stages) else SOME_FAILED


def why_again(step: Step, now: StageRecord, place: Path | None) -> str:
    """Why a step must run again, by what a run has of it; "" where its files can be reused."""
    known = record.read(place) if place else None
    before = known.stages.get(step.name) if known else None
    if place is None or before is None:
        return FIRST
    return record.difference(now, before) or record.damage(step, place, before) or ""
