"""Runs a recipe: the new or changed steps, in a dated directory, with everything else linked from earlier runs."""

from collections.abc import Sequence
from pathlib import Path

from cotdistill import artifacts
from cotdistill.progress import Progress
from cotdistill.recipes import directories, judges
from cotdistill.recipes.chain import Chain
from cotdistill.recipes.directories import Directories, Run
from cotdistill.recipes.place import Outcome
from cotdistill.recipes.recipe import Recipe
from cotdistill.recipes.steps import Step


def run(recipe: Recipe, progress: Progress) -> Outcome:
    """Run what is new. Raises OutputLockedError when another run holds the runs' directory, and what stages raise; the
    same call then continues."""
    recipe.runs.mkdir(parents=True, exist_ok=True)
    with artifacts.lock(Directories(recipe.runs, recipe.path).lock, "is running this recipe; wait for it"):
        return Chain(recipe, _Dated(recipe, progress), progress).run()


def plan(recipe: Recipe, progress: Progress, *, estimate: bool = True) -> list[tuple[str, str]]:
    """Each step with what would happen to it and why, and with `estimate` what generate would ask and cost. Sends
    nothing, writes nothing."""
    chain = Chain(recipe, _Dated(recipe, progress), progress)
    lines: list[tuple[str, str]] = []
    for step in recipe.steps:
        look = chain.look(step)
        if look is None:
            lines += [(step.name, "runs if its input changes"), *_unestimated(step)]
            continue
        if look.why is None:
            lines.append((step.name, "nothing new"))
            continue
        lines += [(step.name, f"runs: {look.why}"), *_unestimated(step)]
        if step.stage in ("expand", "generate") and estimate:
            lines += [("", line) for line in chain.estimate(step).splitlines()]
    return lines


def _unestimated(step: Step) -> list[tuple[str, str]]:
    return [("", words) for words in judges.in_words(step)]


class _Dated:
    """A run in a dated directory; `latest` points at the last complete one that passed its guard."""

    def __init__(self, recipe: Recipe, progress: Progress) -> None:
        self.recipe, self.progress = recipe, progress
        self.directories = Directories(recipe.runs, recipe.path)
        found = self.directories.runs()
        self.last = next((run.path for run in reversed(found) if run.record.complete), None)
        self.sources: Sequence[Path] = [self.last] if self.last else []
        newest = found[-1] if found else None
        self.unfinished = newest if newest and not newest.record.complete else None

    def begin(self) -> Run:
        return self.directories.begin()

    def end(self, run: Run) -> None:
        directories.finish(run.path, run.record)
        self.directories.point_latest()
        if self.recipe.keep:
            for note in self.directories.prune(self.recipe.keep):
                self.progress.note(note)

    def nothing_new(self) -> None:
        self.directories.point_latest()
