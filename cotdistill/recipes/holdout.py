"""Checks that no step trains on prompts that another step holds out: a score on them would say nothing."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cotdistill.errors import CotDistillError
from cotdistill.recipes.problems import Problems
from cotdistill.recipes.references import Reference
from cotdistill.recipes.steps import Step
from cotdistill.recipes.wiring import Input
from cotdistill.stages.expand import expanders_of, quotes


def check(steps: Sequence[Step], problems: Problems) -> None:
    """A prompt's side depends on its text alone, so format steps that hold out the same share or more agree."""
    by_name = {step.name: step for step in steps}
    for scoring in (step for step in steps if step.stage == "evaluate"):
        held = [by_name[one.step] for one in scoring.references() if one.what == "held-out prompts"]
        for holder in held[:1]:
            _check_expanded(holder, scoring, by_name, problems)
            for student, source in _trained(scoring, by_name):
                if _origins(source, by_name) & _roots(holder, by_name):
                    _check_source(student, source, holder, scoring, by_name, problems)


def _check_source(
    student: Step, source: Input, holder: Step, scoring: Step, by_name: Mapping[str, Step], problems: Problems
) -> None:
    """Check one input of a training that goes back to prompts of which some are held out."""
    what = f"{holder.label} holds out for {scoring.label}"
    if isinstance(source, Reference) and source.what == "rows":
        rows, share = by_name[source.step], holder.options.holdout
        if rows is not holder and rows.options.holdout < share:
            problems.add(f"{rows.label}.holdout", f"expected {share} or more, or {student.label} learns what {what}")
    elif isinstance(source, Reference) and source.what == "kept responses":
        label = by_name[source.step].label
        problems.add(f"{student.label}.input", f"{label} has what {what}; put a format step between")
    else:
        name = str(source) if isinstance(source, Path) else by_name[source.step].label
        problems.add(f"{student.label}.input", f"{name} has what {what}; leave it out to ask the prompts of the rows")


def _check_expanded(holder: Step, scoring: Step, by_name: Mapping[str, Step], problems: Problems) -> None:
    """A held-out prompt must not be a seed of prompts that are trained on, and must have a verified reference."""
    for name in sorted(_expanding(holder, by_name)):
        expanding, share = by_name[name], holder.options.holdout
        if expanding.options.holdout < share and expanding.options.include_seeds:
            problems.add(
                f"{expanding.label}.holdout",
                f"expected {share} or more, as {holder.label} has: new prompts would be written after seeds that it "
                f"holds out for {scoring.label}",
            )
    unverified = [one for one in sorted(_expanding(holder, by_name)) if not _quotes(by_name[one])]
    if unverified and not _verified_roots(holder, by_name):
        expanding = by_name[unverified[0]]
        problems.add(
            f"{expanding.label}.include_seeds",
            f"set it: the references of new prompts are by majority, so {holder.label} would hold nothing out for "
            f"{scoring.label}. Or name a file of prompts for {scoring.label}",
        )


def _quotes(step: Step) -> bool:
    """Whether the references of the step's new prompts are words of their documents."""
    try:
        return all(map(quotes.are_made_by, expanders_of(step.options).values()))
    except CotDistillError:
        return True  # said of the method already


def _expanding(step: Step, by_name: Mapping[str, Step]) -> set[str]:
    """The expand steps that a step goes back to."""
    found = {step.name} if step.stage == "expand" else set()
    for one in step.inputs:
        if isinstance(one, Reference) and one.step in by_name:
            found |= _expanding(by_name[one.step], by_name)
    return found


def _verified_roots(step: Step, by_name: Mapping[str, Step]) -> set[Path]:
    """The prompt files that a step goes back to, without those that only new prompts come from."""
    if step.stage == "expand" and not step.options.include_seeds:
        return set()
    found: set[Path] = set()
    for one in step.inputs:
        if isinstance(one, Path):
            found.add(one)
        elif one.step in by_name:
            found |= _verified_roots(by_name[one.step], by_name)
    return found


def _trained(scoring: Step, by_name: Mapping[str, Step]) -> Iterator[tuple[Step, Input]]:
    """Each training behind a scored student, with what it read of other steps, or the user's own prompts that a student
    answers itself."""
    waiting = [one.step for one in scoring.references() if one.what == "student"]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in by_name:
            continue
        seen.add(name)
        student = by_name[name]
        waiting += [one.step for one in student.references() if one.what == "student"]
        for one in student.inputs:
            if one.step in by_name if isinstance(one, Reference) else student.options.on_policy:
                yield student, one


def _origins(source: Input, by_name: Mapping[str, Step]) -> set[Path]:
    return {source} if isinstance(source, Path) else _roots(by_name[source.step], by_name)


def _roots(step: Step, by_name: Mapping[str, Step]) -> set[Path]:
    """The prompt files that a step goes back to."""
    found: set[Path] = set()
    for one in step.inputs:
        if isinstance(one, Reference):
            found |= _roots(by_name[one.step], by_name) if one.step in by_name else set()
        else:
            found.add(one)
    return found
