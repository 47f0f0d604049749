"""Every combination of some values: each is a run of the recipe, in a directory of its own.

What two combinations have in common runs once and is linked; answers come from one store. `latest` does not move.
`grid.json` records what was varied and where each run is; `cotdistill compare` reads it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import artifacts
from cotdistill.errors import (
    ACCOUNT,
    BUDGET,
    DONE,
    ERROR,
    LOCKED,
    SOME_FAILED,
    USAGE,
    AccountError,
    CotDistillError,
    StoppedError,
    UsageError,
)
from cotdistill.progress import Progress
from cotdistill.recipes import axes as axes_of
from cotdistill.recipes import directories, figures, record
from cotdistill.recipes import recipe as recipes
from cotdistill.recipes.axes import Axis, Setting
from cotdistill.recipes.chain import Chain
from cotdistill.recipes.directories import Directories, Run
from cotdistill.recipes.recipe import Recipe
from cotdistill.recipes.record import RunRecord
from cotdistill.wording import counted

NAME = "grid.json"
_WORST_LAST = (DONE, SOME_FAILED, LOCKED, BUDGET, ACCOUNT, USAGE, ERROR)


class CellRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One combination: its run's path relative to the grid, and its exit code, None until it has run."""

    directory: str
    settings: dict[str, Any]
    exit_code: int | None = None
    error: str | None = None
    new: bool = True
    """False where nothing has changed since it last ran."""
    figures: dict[str, Any] = {}


class GridRecord(msgspec.Struct, kw_only=True):
    recipe: str
    axes: dict[str, list[Any]]
    cells: list[CellRecord]

    @property
    def exit_code(self) -> int:
        """The worst of its cells'."""
        codes = [ERROR if cell.exit_code is None else cell.exit_code for cell in self.cells]
        return max(codes, key=lambda code: _WORST_LAST.index(code) if code in _WORST_LAST else len(_WORST_LAST))


@dataclass(frozen=True)
class Grid:
    """A recipe and its combinations. `recipe` is the recipe before any change of its cells."""

    recipe: Recipe
    axes: Sequence[Axis]
    cells: Sequence[tuple[Setting, Recipe]]
    directory: Path

    def places(self) -> Iterator["Cell"]:
        """Where each cell runs, with the cells that have run by then and that it may link from."""
        found = Directories(self.recipe.runs, self.recipe.path)
        last = [run.path for run in found.runs() if run.record.complete][-1:]
        every = [self.directory / setting.name for setting, _ in self.cells]
        for path in every:
            others = [one for one in every if one != path and record.read(one) is not None]
            yield Cell(path, found.owner, [*last, *others])


def read(recipe: Recipe, changes: Sequence[str], specs: Sequence[str]) -> Grid:
    """Every cell's recipe, all checked before anything is sent. Raises UsageError that lists each problem once, or
    AccountError where keys that are not set are all there is."""
    axes = axes_of.parse(specs)
    cells: list[tuple[Setting, Recipe]] = []
    problems: dict[str, None] = {}
    only_accounts = True
    for setting in axes_of.combinations(axes):
        try:
            cells.append((setting, recipes.read(recipe.path, [*changes, *setting.changes()], recipe.shown)))
        except (UsageError, AccountError) as error:
            only_accounts &= isinstance(error, AccountError)
            problems |= dict.fromkeys(error.problems or [str(error)])
    if problems:
        lead = f"the grid has {counted(len(problems), 'problem')}, nothing was sent:"
        raise (AccountError if only_accounts else UsageError)("\n  ".join([lead, *problems]))
    stem = "" if recipe.path.stem == "recipe" else f"{recipe.path.stem}-"
    name = axes_of.file_name(f"grid-{stem}{'-'.join(axis.key for axis in axes)}")
    return Grid(recipe, axes, cells, recipe.runs / name)


class Cell:
    """The directory of one combination, always the same. A run in it is continued, or brought up to date where the
    recipe has changed since."""

    def __init__(self, path: Path, owner: str, others: Sequence[Path]) -> None:
        self.path, self.owner = path, owner
        known = record.read(path)
        self.last = path if known and known.complete else None
        self.sources: Sequence[Path] = [*others, *([self.last] if self.last else [])]
        self.unfinished = Run(path, known) if known and not known.complete else None

    def begin(self) -> Run:
        self.path.mkdir(parents=True, exist_ok=True)
        known = record.read(self.path)
        if known is None:
            known = RunRecord(recipe=self.owner, directory=self.path.name, number=1, started_at=artifacts.now())
        known.complete = False
        record.save(self.path, known)
        return Run(self.path, known)

    def end(self, run: Run) -> None:
        directories.finish(run.path, run.record)

    def nothing_new(self) -> None: ...


def run(grid: Grid, progress: Progress) -> GridRecord:
    """Run every cell; a cell that fails does not stop the others.

    Raises OutputLockedError when another run holds the grid, StoppedError after a signal: the same call then continues.
    """
    grid.directory.parent.mkdir(parents=True, exist_ok=True)
    with artifacts.lock(grid.directory):
        known = GridRecord(
            recipe=Directories(grid.recipe.runs, grid.recipe.path).owner,
            axes={axis.key: list(axis.values) for axis in grid.axes},
            cells=[CellRecord(directory=setting.name, settings=setting.values) for setting, _ in grid.cells],
        )
        _check_owner(grid, known)
        _save(grid, known)
        for number, ((setting, recipe), place) in enumerate(zip(grid.cells, grid.places(), strict=True)):
            progress.note(f"grid: {number + 1} of {len(grid.cells)}: {setting.name}")
            _run_cell(known.cells[number], recipe, place, progress)
            _save(grid, known)
        return known


def _run_cell(cell: CellRecord, recipe: Recipe, place: Cell, progress: Progress) -> None:
    try:
        if place.last is None and place.unfinished is None:
            place.unfinished = place.begin()
        outcome = Chain(recipe, place, progress).run()
    except StoppedError:
        raise
    except CotDistillError as error:
        cell.exit_code, cell.error = error.exit_code, str(error)
        progress.note(f"WARNING: {cell.directory}: {error}")
        return
    except OSError as error:
        cell.exit_code, cell.error = ERROR, f"{error.filename or 'file'}: {error.strerror or error}"
        progress.note(f"WARNING: {cell.directory}: {cell.error}")
        return
    cell.exit_code, cell.new = outcome.exit_code, outcome.record is not None
    cell.figures = figures.figures_of(recipe.steps, outcome.directory)


def _check_owner(grid: Grid, known: GridRecord) -> None:
    """Raises UsageError where another recipe has its grid in this place."""
    path = grid.directory / NAME
    if not path.is_file():
        return
    try:
        before = msgspec.json.decode(path.read_bytes(), type=GridRecord)
    except msgspec.DecodeError:
        raise UsageError(f"{path}: is no record of a grid; move it away") from None
    if before.recipe != known.recipe:
        raise UsageError(f'{grid.directory}: {before.recipe} has its grid there; set another place: --set runs="…"')


def _save(grid: Grid, known: GridRecord) -> None:
    grid.directory.mkdir(parents=True, exist_ok=True)
    content = msgspec.json.format(msgspec.json.encode(known), indent=2)
    artifacts.write_whole(grid.directory / NAME, content + b"\n")
