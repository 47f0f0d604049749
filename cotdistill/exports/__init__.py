"""Exports: one file each; `--export FILENAME` and `--to FILENAME:option=value` find it. Students, rows and prompts for
other programs: runtimes, trainers, harnesses.

What an export takes is the method that it has: `student` (the command export), `rows` (format), `prompts` (evaluate).
"""

from collections.abc import Callable, Collection, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from cotdistill import plugins
from cotdistill.artifacts import FileInfo
from cotdistill.artifacts.outputs import Place
from cotdistill.errors import UsageError
from cotdistill.records import Prompt


@dataclass(frozen=True)
class Written:
    """What an export of a student reports of its file: counts and results for the manifest, notes, and the texts of
    files beside it. `lossless`: every weight is unchanged, so every greedy answer must be too."""

    counts: dict[str, int]
    results: dict[str, Any]
    notes: list[str]
    beside: dict[Path, str]
    lossless: bool


class StudentExport(Protocol):
    suffix: ClassVar[str]
    """The ending that the file's name must have."""

    def beside(self, output: Path) -> list[Path]:
        """The files that are written beside the output."""

    def scratch(self, output: Path) -> list[Path]:
        """Intermediate files, which are removed afterwards."""

    def student(self, student: str, partial: Path, output: Path, report: Callable[[str, int, int], None]) -> Written:
        """Write `partial`, which will become `output`, and compare it with the student, tensor by tensor. `report` is
        called with the part of the work, the number of tensors done, and their total. Raises CotDistillError."""


class RowsExport(Protocol):
    def check(self, layout: str) -> None:
        """Raises UsageError for a row format of which the trainer would lose something."""

    def places(self, train: Path, *, holdout: bool) -> list[Place]:
        """The files that `rows` writes."""

    def rows(self, train: Path, holdout: Path | None, layout: str, columns: Set[str]) -> FileInfo:
        """Write the settings with which a trainer finds the rows. `columns` are the columns that any row has."""


class PromptsExport(Protocol):
    def files(self, scores: Path) -> list[Path]:
        """The files that `prompts` writes."""

    def prompts(self, scores: Path, prompts: Sequence[Prompt], student: str, cap: int) -> list[FileInfo]:
        """Write the prompts of evaluate as a task. `cap` is the most tokens of one answer."""


def build(spec: str, takes: str, option: str) -> Any:
    """The export of a spec that takes "student", "rows" or "prompts". Raises UsageError for an export of another
    kind."""
    name = plugins.parse(spec)[0]
    known = [one.replace("_", "-") for one in plugins.names("exports", takes)]
    if not name.endswith(".py") and name.replace("_", "-") not in known:
        _say_where_it_goes(spec, name, takes, option)
        raise plugins.unknown("export", name, known)
    found = plugins.build("exports", spec)
    if not hasattr(found, takes):
        raise UsageError(f"{option} {spec}: class Export has no method {takes}")
    return found


_OF = {
    "student": ("of a student", "cotdistill export STUDENT -o FILE --to {}"),
    "rows": ("of training rows", "cotdistill format KEPT -o TRAIN --export {}"),
    "prompts": ("of prompts", "cotdistill evaluate PROMPTS -o SCORES --export {}"),
}
"""What each kind of export is made from, and the command that makes it."""


def _say_where_it_goes(spec: str, name: str, takes: str, option: str) -> None:
    """Raises UsageError for an export of another kind, with the command that makes it."""
    for other, (what, command) in _OF.items():
        if other != takes and name.replace("-", "_") in plugins.names("exports", other):
            raise UsageError(
                f"{option} {spec}: {name} is an export {what}, and {option} takes those {_OF[takes][0]}; "
                f"write {command.format(spec)}"
            )


def of_rows(specs: Sequence[str], layout: str) -> list[RowsExport]:
    """The exports of some specs. Raises UsageError for an unknown one, or one that would lose something of rows in this
    layout."""
    found: list[RowsExport] = [build(spec, "rows", "--export") for spec in specs]
    for one in found:
        one.check(layout)
    return found


def check_layout(name: str, layout: str, known: Collection[str]) -> None:
    """Raises UsageError for a row format in which a trainer would not find the trace."""
    if plugins.parse(layout)[0] not in known:
        raise UsageError(
            f"--export {name}: it would not find the trace in {layout} rows; use --format {', '.join(sorted(known))}"
        )
