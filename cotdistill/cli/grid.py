"""`cotdistill run --grid`: its output."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cotdistill.cli import log
from cotdistill.cli.outcome import plan_as_json
from cotdistill.errors import BUDGET, DONE, SOME_FAILED
from cotdistill.wording import counted

if TYPE_CHECKING:
    from cotdistill.progress import Progress
    from cotdistill.recipes.grid import CellRecord, GridRecord
    from cotdistill.recipes.recipe import Recipe


def run(
    recipe: "Recipe",
    changes: Sequence[str],
    specs: Sequence[str],
    progress: "Progress",
    words: Callable[[str], str],
    *,
    plan: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Run every combination, after printing how many there are and what they cost. Returns the worst exit code. `words`
    turns the recipe's paths into the user's."""
    import msgspec

    from cotdistill.recipes import grid, grid_plan

    chosen = grid.read(recipe, changes, specs)
    say = log.say if plan else progress.note
    for note in dict.fromkeys(note for _, cell in chosen.cells for note in cell.notes):
        progress.note(note)
    if plan or not quiet:
        lines = [words(line) for line in grid_plan.lines(chosen, progress)]
        if plan and as_json:
            log.say_json(plan_as_json(recipe.shown, [("grid", line) for line in lines]))
            return DONE
        for line in lines:
            say(line)
    if plan:
        return DONE
    found = grid.run(chosen, progress)
    if as_json:
        log.say_json(msgspec.json.encode(found))
    elif not quiet:
        for line in in_words(found, words(str(chosen.directory))):
            progress.note(line)
    return found.exit_code


def in_words(found: "GridRecord", directory: str) -> list[str]:
    """One line a run, and the command that compares them."""
    width = max(len(cell.directory) for cell in found.cells)
    lines = [f"grid: {counted(len(found.cells), 'run')} -> {directory}"]
    lines += [f"  {cell.directory:<{width}}  {_ended(cell)}" for cell in found.cells]
    return [*lines, f"compare them: cotdistill compare {directory}"]


def _ended(cell: "CellRecord") -> str:
    if cell.error is not None:
        return f"exit {cell.exit_code}: {cell.error}"
    scores = [f"{name.replace('_', ' ')} {_share(value)}" for name, value in cell.figures.items() if "accuracy" in name]
    why = {SOME_FAILED: "not all of it succeeded, see its run", BUDGET: "stopped at the budget"}.get(
        cell.exit_code or DONE
    )
    said = ", ".join([*([why] if why else []), *scores]) or "done"
    if cell.exit_code != DONE:
        said = f"exit {cell.exit_code}: {said}"
    return said if cell.new else f"{said} (nothing new)"


def _share(value: Any) -> str:
    return f"{value:.1%}" if isinstance(value, float) else str(value)
