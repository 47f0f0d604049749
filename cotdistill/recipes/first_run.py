"""Leaves out a guard against `latest` in a recipe's first run, which has no `latest` yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cotdistill.config import EvaluateConfig
from cotdistill.recipes.directories import Directories

if TYPE_CHECKING:
    from cotdistill.recipes.recipe import Recipe
    from cotdistill.recipes.steps import Step


def unguarded(recipe: Recipe) -> list[Step]:
    """The steps whose `guard_against` names something in `latest`, which is not there yet."""
    latest = Directories(recipe.runs, recipe.path).latest
    return [] if latest.exists() else [step for step in recipe.steps if _is_held_against(step, latest)]


def without(recipe: Recipe, early: Sequence[Step], *options: str) -> Recipe:
    """The recipe without these options of these steps."""
    left_out = dict.fromkeys(options)
    steps = [
        replace(step, options=replace(step.options, **left_out)) if step.name in {one.name for one in early} else step
        for step in recipe.steps
    ]
    return replace(recipe, steps=tuple(steps))


def note(step: Step) -> str:
    return (
        f"{step.label}.guard_against: {step.options.guard_against} is there after the first complete run; "
        "this one runs without its guard"
    )


def _is_held_against(step: Step, latest: Path) -> bool:
    against = step.options.guard_against if isinstance(step.options, EvaluateConfig) else None
    return against is not None and Path(against).absolute().is_relative_to(latest.absolute())
