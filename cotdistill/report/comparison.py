"""Students side by side: a row each, with those that differ only in their seed as one, and paired tests between
rows."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from statistics import mean, stdev
from typing import Any

from cotdistill.errors import UsageError
from cotdistill.report.scored import Scored
from cotdistill.stages.evaluate.scores import p_in_words
from cotdistill.statistics import sign_flip, wilson
from cotdistill.wording import counted


@dataclass(frozen=True)
class Row:
    """One student, or several that differ only in their seed. `settings` are the settings in which rows differ."""

    name: str
    students: tuple[Scored, ...]
    settings: Mapping[str, str]
    prompts: tuple[str, ...]
    """Ids of the prompts that every student of the comparison was asked."""

    @cached_property
    def shares(self) -> list[float]:
        """The share of right prompts of each seed."""
        return [sum(right) / len(right) if right else 0.0 for right in self._judged]

    @cached_property
    def _judged(self) -> list[list[bool]]:
        return [[one.right[name] for name in self.prompts if name in one.right] for one in self.students]

    @property
    def judged(self) -> int:
        """The number of prompts on which its answer could be judged; the fewest over its seeds."""
        return min(map(len, self._judged))

    @property
    def accuracy(self) -> float:
        return mean(self.shares)

    @property
    def spread(self) -> float | None:
        """The standard deviation over seeds; None for one seed."""
        return stdev(self.shares) if len(self.shares) > 1 else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval for one seed; the lowest and the highest bound over several."""
        if len(self.shares) > 1:
            return min(self.shares), max(self.shares)
        return wilson(sum(self._judged[0]), len(self._judged[0]))

    def count(self, stage: str, name: str) -> int | None:
        """A count of a stage in the first student's run, such as what filter kept."""
        made = self.students[0].made_by(stage)
        return made.manifest.counts.get(name) if made else None

    @property
    def cost_usd(self) -> Decimal | None:
        """The cost of all of the teacher's answers; None where a price is unknown."""
        made = self.students[0].made_by("generate")
        return Decimal(made.manifest.cost_usd) if made and made.manifest.cost_usd is not None else None


@dataclass(frozen=True)
class Test:
    """`row` against `other` on the `n` prompts of both: `row` has more right on `better` of them, fewer on `worse`
    (with several seeds, over as many of each seed as there are pairs)."""

    n: int
    better: int
    worse: int
    difference: float
    p_value: float

    def in_words(self) -> str:
        return f"{self.difference * 100:+.1f} points, {p_in_words(self.p_value)}"


def test(row: Row, other: Row) -> Test:
    """The exact paired test on the same prompts: McNemar's for two students, and its generalisation by the signs of the
    differences where a row has several seeds."""
    differences = []
    for name in row.prompts:
        ours = [one.right[name] for one in row.students if name in one.right]
        theirs = [one.right[name] for one in other.students if name in one.right]
        if ours and theirs:
            differences.append(sum(ours) * len(theirs) - sum(theirs) * len(ours))
    pairs = len(row.students) * len(other.students)
    return Test(
        n=len(differences),
        better=sum(one > 0 for one in differences),
        worse=sum(one < 0 for one in differences),
        difference=sum(differences) / pairs / len(differences) if differences else 0.0,
        p_value=sign_flip(differences),
    )


@dataclass(frozen=True)
class Comparison:
    """`best` is the row that the others are tested against: the most accurate of those that were trained here."""

    rows: tuple[Row, ...]
    prompts: tuple[str, ...]
    left_out: int = 0
    """Prompts that only some of the students were asked."""

    @property
    def prompts_in_words(self) -> str:
        alike = f"{len(self.prompts):,} prompts, the same for all"
        others = counted(self.left_out, "other was", "others were")
        return f"{alike}; {others} asked of some alone and left out" if self.left_out else alike

    @property
    def best(self) -> Row:
        students = [row for row in self.rows if any(one.origin or not one.baseline for one in row.students)]
        return max(students, key=lambda row: row.accuracy)

    def tests(self) -> dict[str, Test]:
        """The test of the best row against each other row."""
        return {row.name: test(self.best, row) for row in self.rows if row is not self.best}


def compare(
    scored: Sequence[tuple[str, Mapping[str, str], Scored]], *, in_common: bool = False, seeds_apart: bool = False
) -> Comparison:
    """Rows of students, each with a name and settings, compared on the prompts that all were asked: from night to night
    prompts are added. `in_common` allows it also where these are less than half of what one was asked.

    Raises UsageError where they are less, and where a prompt reads differently for two of them.
    """
    prompts = _prompts([(name, one) for name, _, one in scored], in_common)
    groups: dict[tuple[Any, ...], list[tuple[str, Mapping[str, str], Scored]]] = defaultdict(list)
    for place, (called, settings, one) in enumerate(scored):
        without = {key: value for key, value in settings.items() if not is_seed(key)}
        alone = seeds_apart or len(without) == len(settings)
        key = (place,) if alone else (tuple(without.items()), one.student if one.baseline else "")
        groups[key].append((called, settings if alone else without, one))
    rows: list[Row] = []
    for members in groups.values():
        name, settings, _ = members[0]
        if len(members) > 1 and not settings:
            name = f"{len(members)} seeds"
        elif len(members) > 1:
            name = ", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in settings.items())
        taken = sum(row.name == name or row.name.startswith(f"{name} (") for row in rows)
        name = f"{name} ({taken + 1})" if any(row.name == name for row in rows) else name
        rows.append(Row(name, tuple(one for *_, one in members), settings, prompts))
    asked = {id for _, _, one in scored for id in one.asked}
    return Comparison(tuple(rows), prompts, len(asked) - len(prompts))


def is_seed(setting: str) -> bool:
    return setting.rpartition(".")[2] == "seed"


def _prompts(scored: Sequence[tuple[str, Scored]], in_common: bool) -> tuple[str, ...]:
    first_name, first = scored[0]
    shared = [name for name in first.asked if all(name in one.asked for _, one in scored)]
    for _, one in scored[1:]:
        other = next((id for id in shared if one.asked[id] != first.asked[id]), None)
        if other is not None:
            raise UsageError(
                f"prompt {other!r} reads otherwise in {one.scores} than in {first.scores}: expected the same question "
                f"and reference under one id. Score both on the same file of prompts"
            )
    if not shared:
        raise UsageError(f"{first_name} and {scored[-1][0]} have no prompt in common; score all on the same prompts")
    most = max((one for _, one in scored), key=lambda one: len(one.asked))
    if 2 * len(shared) < len(most.asked) and not in_common:
        lone = next(id for id in most.asked if id not in shared)
        without = next(one for _, one in scored if lone not in one.asked)
        raise UsageError(
            f"{most.scores} scores {len(most.asked)} prompts, and only {len(shared)} are in all; {lone!r} is not in "
            f"{without.scores}. Score all on the same file of prompts, or compare on so few with --in-common"
        )
    return tuple(shared)
