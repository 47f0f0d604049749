"""A run's directory as its page needs it: what stages left there, and its students side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cotdistill.artifacts.lineage import Found
from cotdistill.errors import CotDistillError
from cotdistill.report import comparison, scored, traces
from cotdistill.report.comparison import Comparison
from cotdistill.report.scored import Scored


@dataclass(frozen=True)
class Run:
    """A directory and what stages left in it. `compared` are the students of its newest scores, if there are any."""

    directory: Path
    found: dict[str, list[Found]]
    compared: Comparison | None
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, directory: Path) -> "Run":
        found = traces.manifests(directory)
        evaluated = [one for one in found.get("evaluate", []) if one.path.is_file()]
        if not evaluated:
            return cls(directory, found, None)
        newest = max(evaluated, key=lambda one: one.manifest.ended_at)
        warnings = [note.removeprefix("WARNING: ") for note in newest.manifest.notes if note.startswith("WARNING: ")]
        warnings += [failed] if (failed := newest.manifest.guard_failed) else []
        try:
            students = scored.read(newest.path)
        except CotDistillError as error:  # the answers are gone; the scores alone are still worth a page
            return cls(directory, found, None, (*warnings, str(error)))
        names = names_of(students)
        rows = comparison.compare(
            [(name, {}, one) for name, one in zip(names, students, strict=True)], seeds_apart=True
        )
        return cls(directory, found, rows, tuple(warnings))

    def stage(self, name: str) -> list[Found]:
        return self.found.get(name, [])

    @property
    def best(self) -> Scored | None:
        return self.compared.best.students[0] if self.compared else None

    def filters(self) -> list[Found]:
        """The filter runs with their files; first the one whose responses the best student was trained on."""
        there = [one for one in self.stage("filter") if one.path.is_file()]
        trained = self.best.made_by("filter") if self.best else None
        return sorted(there, key=lambda one: trained is None or one.path.resolve() != trained.path.resolve())


UNTRAINED = "untrained "


def names_of(students: Sequence[Scored]) -> list[str]:
    """Names for a stranger: the end of a path, and a mark on an untrained model."""
    bases = {str(one.origin[0].manifest.options.get("student")) for one in students if one.origin}
    short = scored.short_names([one.student for one in students])
    return [
        f"{UNTRAINED}{name}" if one.student in bases else f"{name} (recorded)" if name.endswith(".jsonl") else name
        for name, one in zip(short, students, strict=True)
    ]
