"""The directories of one recipe's runs, among those that other recipes and people may keep in the same place.

A directory belongs to a recipe when its run.json says so and names the directory itself: a copy belongs to the person
who made it. Runs are counted, so a clock that was ahead once does no harm. `latest` belongs to the recipe that made it;
any other recipe in the same place has `latest-NAME`.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from cotdistill import artifacts
from cotdistill.recipes import record
from cotdistill.recipes.record import RunRecord

_DATED = re.compile(r"\d{4}-\d{2}-\d{2}T\d{6}Z(-\d+)?")
"""The form of a run directory's name. Records of earlier versions do not name their directory."""


@dataclass(frozen=True)
class Run:
    """One run that was begun: its directory, and its record."""

    path: Path
    record: RunRecord


class Directories:
    """The runs of the recipe `owner`, which is a path relative to the parent of `folder`, so that both may be moved
    together."""

    def __init__(self, folder: Path, recipe: Path) -> None:
        self.folder = folder
        there = folder.absolute().parent
        self.owner = os.path.relpath(recipe.absolute().parent.resolve() / recipe.name, there.resolve())

    @property
    def lock(self) -> Path:
        """Holds what two runs of the same recipe would both write."""
        return self.folder / self.owner.replace(os.sep, "_")

    @property
    def latest(self) -> Path:
        """The link to the last complete run that passed its guard. Another recipe's `latest` is left alone unless that
        recipe is gone."""
        link = self.folder / "latest"
        other = record.read(link) if link.is_symlink() else None
        if other is None or other.recipe == self.owner or not (self.folder.absolute().parent / other.recipe).exists():
            return link
        name = re.sub(r"\W+", "-", str(Path(self.owner).with_suffix(""))).strip("-")
        return self.folder / f"latest-{name}"

    def runs(self) -> list[Run]:
        """Oldest first, by their numbers; runs of earlier versions have none and are ordered by `latest` and time."""
        found = []
        for path in self.folder.glob(f"*/{record.NAME}"):
            known = None if path.parent.is_symlink() else record.read(path.parent)
            if known is not None and self._is_own(path.parent, known):
                found.append(Run(path.parent, known))
        newest = self._pointed_at()
        return sorted(found, key=lambda run: (run.record.number, run.path.name == newest, run.record.started_at))

    def begin(self) -> Run:
        """Make a new directory, named by the time in UTC, together with a record that says whose it is: without one no
        run would recognise it, and none would delete it."""
        number = 1 + max((run.record.number for run in self.runs()), default=0)
        fresh = artifacts.partial(self.lock)  # of this recipe alone, which is locked
        shutil.rmtree(fresh, ignore_errors=True)  # of a run that was killed
        fresh.mkdir(parents=True)
        try:
            for path in self._names():
                known = RunRecord(recipe=self.owner, directory=path.name, number=number, started_at=artifacts.now())
                record.save(fresh, known)
                if _renamed(fresh, path):
                    return Run(path, known)
            raise AssertionError("there is always another name")
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def point_latest(self) -> None:
        """Point `latest` at the newest complete run that passed its guard, if there is one. It changes in one step, and
        only if it has to."""
        good = [run.path for run in self.runs() if run.record.complete and not run.record.guard_failed]
        if not good:
            return
        target = Path(good[-1].name)
        with suppress(FileExistsError):  # another recipe's, which made it since: then this one has a name of its own
            if not self.latest.is_symlink():
                self.latest.symlink_to(target)
        link = self.latest
        if link.is_symlink() and link.readlink() == target:
            return
        fresh = artifacts.partial(self.folder / f".{link.name}")
        fresh.unlink(missing_ok=True)  # of a run that was killed; no other recipe has a link of this name
        fresh.symlink_to(target)
        fresh.replace(link)

    def prune(self, keep: int) -> list[str]:
        """Delete complete runs, all but the newest `keep` and the one that `latest` points at.

        A directory that holds a file which its run did not make stays. Returns the notes on those.
        """
        complete = [run for run in self.runs() if run.record.complete]
        notes = []
        for run in complete[:-keep]:
            if run.path.name == self._pointed_at():
                continue
            if foreign := sorted(_files(run.path) - {*run.record.made, record.NAME}) if run.record.made else []:
                notes.append(f"{run.path} stays: no run made {foreign[0]}; move it elsewhere, or delete the directory")
                continue
            shutil.rmtree(run.path)
        return notes

    def _is_own(self, path: Path, known: RunRecord) -> bool:
        named = path.name == known.directory if known.directory else _DATED.fullmatch(path.name) is not None
        return named and known.recipe == self.owner

    def _pointed_at(self) -> str:
        return self.latest.readlink().name if self.latest.is_symlink() else ""

    def _names(self) -> Iterator[Path]:
        """Names for a new run, the best first."""
        name = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
        yield self.folder / name
        yield from (self.folder / f"{name}-{number}" for number in count(2))


def _renamed(fresh: Path, path: Path) -> bool:
    """Whether the directory was given its name; False where something stands there, such as a run of another recipe
    that began in this very second."""
    if os.path.lexists(path):
        return False
    try:
        fresh.rename(path)
    except OSError:
        if os.path.lexists(path):
            return False
        raise
    return True


def finish(directory: Path, known: RunRecord) -> None:
    """Record that a run is complete, and which files it made."""
    known.complete = True
    known.made = sorted(_files(directory))
    record.save(directory, known)


def _files(directory: Path) -> set[str]:
    """Relative paths of the files inside, without lock files, which stay when a process dies."""
    inside = (path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir())
    return {str(path.relative_to(directory)) for path in inside if not path.name.endswith(".lock")}
