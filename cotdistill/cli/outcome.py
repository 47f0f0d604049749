"""The end of a recipe's run: in words, as JSON, as an exit code."""

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from cotdistill.wording import usd

if TYPE_CHECKING:
    from cotdistill.recipes.place import Outcome


def as_json_text(outcome: "Outcome", directory: str) -> str:
    """The run's record on one line. `directory` is as the user sees it; `new` is false where nothing ran."""
    import msgspec

    record = msgspec.to_builtins(outcome.record) if outcome.record else {"stages": {}}
    return msgspec.json.encode({**record, "directory": directory, "new": bool(outcome.record)}).decode()


def plan_as_json(recipe: str, lines: Iterable[tuple[str, str]]) -> str:
    """The steps that would run, each by its name with its lines; lines without a name belong to the step before."""
    import msgspec

    plan: dict[str, list[str]] = {}
    step = ""
    for name, said in lines:
        step = name or step
        plan.setdefault(step, []).append(said.strip())
    return msgspec.json.encode({"recipe": recipe, "plan": plan}).decode()


def in_words(outcome: "Outcome", directory: str) -> list[str]:
    """What ran, where it is, what changed against the last run, and last, where a log is read first, what the user
    should know."""
    from cotdistill.recipes import figures

    if outcome.record is None:
        return [f"run: nothing new since {directory}; nothing was sent"]
    did = ", ".join(f"{name} {stage.did}" for name, stage in outcome.record.stages.items())
    lines = [f"run: {did} -> {directory}"]
    for name, change in outcome.record.changes.items():
        label = figures.label(name)
        if not isinstance(change, dict):
            lines.append(f"  {label}: {change:,}")
            continue
        was = f", was {figures.value_in_words(name, change['before'])}" if "before" in change else ""
        lines.append(f"  {label}: {figures.value_in_words(name, change['now'])}{was}")
    stages = outcome.record.stages.values()
    if spent := sum(Decimal(one.spent_usd) for one in stages if one.did == "ran" and one.spent_usd):
        lines.append(f"  spent in this run, judges included: {usd(spent)}")
    for stage in stages:
        if stage.guard_failed:
            lines.append(f"WARNING: {stage.guard_failed}; `latest` does not move to this run")
    if outcome.stopped_by:
        lines.append(f"WARNING: stopped by its {outcome.stopped_by}; the same command continues")
    return lines
