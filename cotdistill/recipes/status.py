"""The state of a recipe: its last complete run, one that was stopped, and what the next run would do."""

from collections import defaultdict
from typing import Any

import msgspec

from cotdistill.artifacts.manifest import left_open
from cotdistill.errors import CotDistillError
from cotdistill.progress import Progress
from cotdistill.recipes import figures, run
from cotdistill.recipes.directories import Directories, Run
from cotdistill.recipes.disk import Disk, used
from cotdistill.recipes.disk import in_words as disk_in_words
from cotdistill.recipes.month import spent_this_month
from cotdistill.recipes.recipe import Recipe
from cotdistill.records import money
from cotdistill.wording import usd


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """`next` says for each stage what the next run would do, and why."""

    recipe: str
    last: dict[str, Any] | None
    unfinished: dict[str, Any] | None
    spent_this_month_usd: str | None
    """None where a price is not known."""
    max_cost_per_month: float | None
    disk: Disk
    next: dict[str, str]


def of(recipe: Recipe, progress: Progress) -> Status:
    """Sends nothing to a teacher and writes nothing."""
    found = Directories(recipe.runs, recipe.path).runs()
    complete = [one for one in found if one.record.complete]
    newest = found[-1] if found and not found[-1].record.complete else None
    planned = run.plan(recipe, progress, estimate=False)
    return Status(
        recipe=recipe.shown,
        last=_as_entry(complete[-1]) if complete else None,
        unfinished=_as_entry(newest) if newest else None,
        spent_this_month_usd=_spent(recipe),
        max_cost_per_month=recipe.max_cost_per_month,
        disk=used(recipe, [one.path for one in found]),
        next={stage: words for stage, words in planned if stage},
    )


def _spent(recipe: Recipe) -> str | None:
    try:
        return money(spent_this_month(recipe))
    except CotDistillError:
        return None


def _as_entry(one: Run) -> dict[str, Any]:
    record = one.record
    stages = {
        name: {
            "did": stage.did,
            "complete": stage.complete,
            "left_open": None if stage.complete else left_open(stage.counts),
            "guard_failed": stage.guard_failed,
        }
        for name, stage in record.stages.items()
    }
    now = {name: change["now"] for name, change in record.changes.items() if isinstance(change, dict)}
    return {
        "directory": str(one.path),
        "started_at": record.started_at,
        "ended_at": record.ended_at,
        "under_way": record.begun,
        "stages": stages,
        "figures": now,
    }


def as_json(status: Status) -> str:
    return msgspec.json.encode(status).decode()


def in_words(status: Status) -> list[str]:
    lines = [f"{status.recipe}:"]
    if status.last is None:
        lines.append("  no complete run yet")
    else:
        by_step: defaultdict[str, list[str]] = defaultdict(list)  # by step; those of tables are on one line
        for name, value in status.last["figures"].items():
            step, _, figure = name.rpartition(": ")
            by_step[step].append(f"{figures.label(figure)} {figures.value_in_words(name, value)}")
        lines.append(f"  last complete run: {status.last['directory']}, ended {status.last['ended_at']}")
        lines += [f"    {step}{': ' * bool(step)}{', '.join(said)}" for step, said in by_step.items()]
        lines += [f"    {says}" for stage in status.last["stages"].values() if (says := stage["guard_failed"])]
        lines += [
            f"    {name}: {what}; the next run asks again"
            for name, stage in status.last["stages"].items()
            if (what := stage["left_open"])
        ]
    if status.unfinished:
        at = (
            status.unfinished["under_way"]
            or "the stage after " + (list(status.unfinished["stages"])[-1:] or ["none"])[0]
        )
        lines.append(f"  unfinished run: {status.unfinished['directory']}, at {at}; `run` continues it")
    limit = "" if status.max_cost_per_month is None else f" of {usd(status.max_cost_per_month)}"
    spent = status.spent_this_month_usd
    lines.append(f"  spent this month: {f'{usd(spent)}{limit}' if spent else 'unknown, for a price is not known'}")
    lines.append(f"  disk: {disk_in_words(status.disk)}")
    lines.append("  next run:")
    width = max(9, *map(len, status.next))
    return lines + [f"    {name:<{width}} {words}" for name, words in status.next.items()]
