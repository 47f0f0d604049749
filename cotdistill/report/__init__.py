"""Self-contained HTML pages for a colleague who was not there: one run, several side by side, or one recipe over time;
and the comparison behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cotdistill import artifacts
from cotdistill.artifacts import FileInfo, outputs
from cotdistill.artifacts.outputs import Place
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.recipes import grid
from cotdistill.report import compare_page, comparison, html, run_page, series, sources, table, traces
from cotdistill.report.comparison import Comparison
from cotdistill.report.scored import Scored
from cotdistill.store.location import known_stores


def write(directory: Path, output: Path) -> FileInfo:
    """Read the manifests that stages left in `directory`, and write the page of that run, or of all runs in it. The
    same files give the same bytes. Raises UsageError where no stage has left anything."""
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such directory; give the one that holds a run's files")
    if not (directory / grid.NAME).is_file() and traces.manifests(directory):
        return _written(run_page.write(directory), output)
    if series.are_of_one_recipe(nights := series.nights(directory)):
        return _written(_series(nights, directory), output)
    if (directory / grid.NAME).is_file() or sources.runs_in(directory):
        return write_comparison(compared([directory]), output)
    raise UsageError(f"{directory}: no manifest of a stage in it; give the directory that holds a run's files, or runs")


@dataclass(frozen=True)
class Compared:
    """A comparison and the paths that the user named for it; `without` names those without scores."""

    comparison: Comparison
    paths: tuple[Path, ...]
    without: tuple[str, ...] = ()


def compared(paths: Sequence[Path], *, in_common: bool = False) -> Compared:
    """Raises UsageError for a path without scores, and where the students were asked different prompts."""
    found = sources.find(paths)
    rows = sources.rows(found.found)
    return Compared(comparison.compare(rows, in_common=in_common), tuple(paths), tuple(found.without))


def check_outputs(paths: Sequence[Path], csv: Path | None, page: Path | None) -> None:
    """Raises UsageError, before anything is written, for a table or a page at a forbidden path."""
    places = [*(_table_places(csv) if csv else []), *(_page_places(page, "--html") if page else [])]
    outputs.check(places, [*(path for path in paths if path.is_file()), *known_stores()])


def write_comparison(found: Compared, output: Path) -> FileInfo:
    title = found.paths[0].resolve().name if len(found.paths) == 1 else "Comparison"
    return _written(compare_page.write(found.comparison, title, found.without), output)


def write_csv(found: Compared, output: Path) -> FileInfo:
    with artifacts.lock(output):
        outputs.check(_table_places(output), known_stores())
        return artifacts.write_whole(output, table.as_csv(found.comparison).encode())


def _table_places(output: Path) -> list[Place]:
    """Where a table may be written: ours is known by its first columns."""
    head = ",".join(table.COLUMNS).encode()
    return outputs.replaced(Place(output, outputs.marked(head, within=len(head)), f"--csv {output}"))


def _page_places(output: Path, option: str = "-o") -> list[Place]:
    return outputs.replaced(Place(output, outputs.marked(html.MARK.encode()), f"{option} {output}"))


def _series(nights: Sequence[series.Night], folder: Path) -> str:
    """The page of a series of runs; the last two with scores are tested against each other on their common prompts."""
    try:
        last: list[tuple[str, dict[str, str], Scored]] = [
            (one.directory.name, {}, next(of for _, _, of in sources.rows(sources.find([one.directory]).found)))
            for one in [night for night in nights if night.student][-2:]
        ]
        found = comparison.compare(last, in_common=True) if len(last) == 2 else None
    except CotDistillError as error:
        return compare_page.write_series(nights, folder, None, f"The last two runs are not tested: {error}")
    return compare_page.write_series(nights, folder, found)


def _written(page: str, output: Path) -> FileInfo:
    with artifacts.lock(output):
        outputs.check(_page_places(output), known_stores())
        return artifacts.write_whole(output, page.encode("utf-8", "replace"))
