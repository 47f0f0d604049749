"""The runs of one recipe over time: what each made, cost and reached."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cotdistill.artifacts.lineage import Found
from cotdistill.artifacts.scores import Score, scores_of
from cotdistill.recipes import record
from cotdistill.recipes.record import RunRecord
from cotdistill.report import sources, traces
from cotdistill.wording import amount


@dataclass(frozen=True)
class Night:
    """One complete run. `name` is its day, with the time where another ran on it. `student` are the newest scores of
    its student, None where nothing was evaluated. A run that repeats a stage counts all its answers. `made` is the
    share of the teacher's answers that was kept."""

    name: str
    directory: Path
    record: RunRecord
    student: Score | None
    responses: int | None
    kept: int | None
    spent_usd: float | None

    @property
    def made(self) -> float | None:
        return self.kept / self.responses if self.kept is not None and self.responses else None


_DATED = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z")
"""How the directory of a night is called; those of a grid's combinations are called by their settings."""


def nights(folder: Path) -> list[Night]:
    """The oldest first; empty where the folder holds no runs of a recipe."""
    dated = (one for one in sources.runs_in(folder) if _DATED.match(one.name))
    found = [(one, known) for one in dated if (known := record.read(one))]
    days = Counter(one.name[:10] for one, _ in found)
    return [_night(_named(one.name, alone=days[one.name[:10]] == 1), one, known) for one, known in found]


def _named(directory: str, *, alone: bool) -> str:
    """2026-11-26T174513Z: the day, or day and time."""
    return directory[:10] if alone else f"{directory[:10]} {directory[11:13]}:{directory[13:15]}"


def are_of_one_recipe(found: Sequence[Night]) -> bool:
    return len(found) > 1 and len({one.record.recipe for one in found}) == 1


def _night(name: str, directory: Path, known: RunRecord) -> Night:
    found = traces.manifests(directory)
    scored = max(found.get("evaluate", []), key=lambda one: one.manifest.ended_at, default=None)
    spent = [stage.spent_usd for stage in known.stages.values() if stage.did == "ran"]
    return Night(
        name=name,
        directory=directory,
        record=known,
        student=next(iter(scores_of(scored.manifest)), None) if scored else None,
        responses=_all(found.get("generate", []), "responses"),
        kept=_all(found.get("filter", []), "kept"),
        spent_usd=sum(float(one) for one in spent if one is not None),
    )


def _all(made: Sequence[Found], count: str) -> int | None:
    """Of all steps of one stage."""
    return sum(one.manifest.counts.get(count, 0) for one in made) if made else None


def table(found: Sequence[Night]) -> Iterator[tuple[str, ...]]:
    for one in found:
        student = one.student
        interval = f"{student.interval[0]:.1%} to {student.interval[1]:.1%}" if student else ""
        yield (
            one.directory.name,
            f"{student.accuracy:.1%}" if student else "",
            interval,
            f"{student.n:,}" if student else "",
            "" if one.responses is None else f"{one.responses:,}",
            "" if one.kept is None else f"{one.kept:,}",
            "" if not one.spent_usd else amount(one.spent_usd),
            "worse than its guard allows" if one.record.guard_failed else "",
        )


COLUMNS = ("run", "right", "95% interval", "prompts", "answers", "kept", "spent, USD", "")
