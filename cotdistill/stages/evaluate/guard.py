"""A second set of prompts, on which a student must not be worse than another: what it could do before, it still can."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cotdistill import students
from cotdistill.artifacts import lineage
from cotdistill.config import EvaluateConfig
from cotdistill.errors import UsageError
from cotdistill.records import Judged
from cotdistill.stages.evaluate.scores import compare, p_in_words, score

LEVEL = 0.05
"""A difference is not chance where the paired test says so at this level."""


def opponent(config: EvaluateConfig) -> str:
    """The student to compare with: `guard_against`, else the model that the student was trained from.

    Raises UsageError where no manifest says which that is.
    """
    if config.guard_against:
        return config.guard_against
    base = base_of(config.student)
    if base is None:
        raise UsageError(
            f"--guard: {config.student} has no manifest that says what it was trained from; name another student to "
            f"hold it against with --guard-against"
        )
    return base


def base_of(student: str) -> str | None:
    """The model that a student was trained from, as its manifest names it; None where there is none."""
    manifest = lineage.of_student(Path(student))
    base = manifest.options.get("student") if manifest else None
    return base if isinstance(base, str) else None


def nothing_learnt(student: str, against: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A warning where a student is not shown to be better than the model that it was trained from."""
    base = base_of(student)
    found = against.get(base) if base else None
    if found is None or (found["difference"] > 0 and found["p_value"] < LEVEL):
        return []
    return [
        f"WARNING: on these {found['n']} prompts {student} is not shown to be better than {base}, from which it was "
        f"trained ({p_in_words(found['p_value'])}). Look at what it answers; {what_may_help(base)}"
    ]


def what_may_help(base: str | None) -> str:
    """Advice for a student that was trained from `base` and has learnt nothing."""
    if base == students.TINY:
        return f"{base} knows no language and learns short patterns: take {students.SMOLLM2}, or a larger student"
    return "more prompts, traces to learn from, or a larger student may help"


def _too_few(prompts: int) -> str:
    """A warning where not even a student that has all of them wrong, against one that has all right, would be found
    worse."""
    few = 2 * 0.5**prompts >= LEVEL
    return ". WARNING: with so few prompts no student can be shown to be worse; give 30 or more" if few else ""


def result(student: str, against: str, judged: Mapping[str, Sequence[Judged]]) -> dict[str, Any]:
    """The guard's part of the scores: both students on its prompts, the paired test, and `worse`: whether the student
    has fewer right and the test excludes chance. `says` is the same in one sentence."""
    ours, theirs = (score(name, judged[name]) for name in (student, against))
    found = compare(judged[student], judged[against])
    worse = found["difference"] < 0 and found["p_value"] < LEVEL
    better = found["difference"] > 0 and found["p_value"] < LEVEL
    outcome = "is worse than" if worse else "is better than" if better else "is not shown to be worse than"
    return {
        "students": [ours, theirs],
        "against": {against: found},
        "worse": worse,
        "says": (
            f"guard: {student} {outcome} {against}: {ours['accuracy']:.1%} against {theirs['accuracy']:.1%} right on "
            f"{found['n']} prompts, {found['only_student']} that only it has right, {found['only_baseline']} that only "
            f"{against} has right; {p_in_words(found['p_value'])}{_too_few(found['n'])}"
        ),
    }
