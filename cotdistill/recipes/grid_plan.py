"""What a grid would run and cost, where what its cells have in common counts once."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from cotdistill.progress import Progress
from cotdistill.recipes import judges, record
from cotdistill.recipes.chain import Chain
from cotdistill.recipes.grid import Grid
from cotdistill.recipes.recipe import Recipe
from cotdistill.recipes.steps import Step
from cotdistill.wording import counted, usd


@dataclass
class _Counts:
    """`runs` are the distinct steps that would run, by name; `requests` and `usd` are the most that these ask and cost,
    as far as is known now."""

    runs: Counter[str] = field(default_factory=Counter)
    there: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    usd: Decimal = Decimal(0)
    costs: list[str] = field(default_factory=list)
    """Costs in words that cannot be added up."""
    later: list[str] = field(default_factory=list)
    """Steps that ask prompts which are not there yet."""
    judges: list[str] = field(default_factory=list)
    """Paid judges, in words."""


def lines(grid: Grid, progress: Progress) -> list[str]:
    """The plan in words. Sends nothing, writes nothing."""
    varied = "; ".join(f"{axis.key} = {', '.join(map(str, axis.values))}" for axis in grid.axes)
    counts = _count(grid, progress)
    return [f"grid: {counted(len(grid.cells), 'run')} in {grid.directory}: {varied}", *_in_words(grid.recipe, counts)]


def _in_words(recipe: Recipe, counts: _Counts) -> Iterator[str]:
    width = max(9, *(len(step.name) for step in recipe.steps))
    for step in recipe.steps:
        runs, there = counts.runs[step.name], counts.there[step.name]
        said = f"runs {'once' if runs == 1 else f'{runs} times'}" if runs else "nothing new"
        yield f"  {step.name:<{width}} {said}{f', {there} there already' if runs and there else ''}"
    if counts.requests:
        cost = [f"{usd(counts.usd)} at most"] * bool(counts.usd) + list(dict.fromkeys(counts.costs))
        yield f"  to ask: {counts.requests:,} requests at most; cost: {'; '.join(cost) or 'nothing'}"
    for name in dict.fromkeys(counts.later):
        yield f"  what {name} will ask is known when the steps above it have run"
    for words in dict.fromkeys(counts.judges):
        yield f"  {words}"


def _count(grid: Grid, progress: Progress) -> _Counts:
    counts, seen = _Counts(), set[str]()
    for (_, recipe), place in zip(grid.cells, grid.places(), strict=True):
        chain = Chain(recipe, place, progress)
        names: dict[str, str] = {}
        for step in recipe.steps:
            look = chain.look(step)
            names[step.name] = name = _name(step, names, look.now if look else None)
            if name in seen:
                continue
            seen.add(name)
            if look is not None and look.why is None:
                counts.there[step.name] += 1
                continue
            counts.runs[step.name] += 1
            counts.judges += judges.in_words(step)
            if step.stage in ("expand", "generate"):
                _add_cost(counts, chain, step, ready=look is not None)
    return counts


def _add_cost(counts: _Counts, chain: Chain, step: Step, *, ready: bool) -> None:
    if not ready:
        counts.later.append(step.name)
        return
    manifest = chain.rehearse(step)
    counts.requests += manifest.counts.get("to_ask_at_most", manifest.counts.get("to_ask", 0))
    if (most := manifest.results.get("cost_usd_at_most")) is not None:
        counts.usd += Decimal(str(most))
    elif said := manifest.results.get("cost"):
        counts.costs.append(str(said))


def _name(step: Step, above: dict[str, str], now: record.StageRecord | None) -> str:
    """What makes two steps of different cells the same: their options and everything that they read."""
    options: Any = (record.about(step.options, {}) if now is None else now).options
    read = [above.get(one.step, "") for one in step.references()] + [str(one) for one in step.inputs]
    return msgspec.json.encode([step.name, options, read]).decode()
