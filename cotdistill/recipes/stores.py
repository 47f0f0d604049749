"""Which steps of a recipe may pay, and out of which store."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cotdistill.config import EvaluateConfig, ExpandConfig, FilterConfig, FinetuneConfig, GenerateConfig
from cotdistill.config.on_policy import scores_over_api
from cotdistill.recipes.recipe import Recipe
from cotdistill.recipes.steps import Step
from cotdistill.store.location import store_path


def pays(options: Any) -> bool:
    """Whether a step asks a teacher, a judge or a student whose answers belong into the store."""
    from cotdistill.stages.evaluate.heeded import pays as evaluation_pays
    from cotdistill.stages.verification import Judge

    if isinstance(options, FilterConfig):
        return Judge(options.verify).asks
    if isinstance(options, EvaluateConfig):
        return evaluation_pays(options, Judge(options.verify))
    if isinstance(options, FinetuneConfig):
        return scores_over_api(options)
    return isinstance(options, GenerateConfig | ExpandConfig)


def in_store_of(options: Any, asking: Sequence[Any]) -> Any:
    """The options of a step, with the one store of the recipe for what a judge, an evaluation or a training asks too.
    `asking` has the options of the steps of generate."""
    first = next(iter(asking), None)
    if first is None or first.no_cache or isinstance(options, GenerateConfig) or not pays(options) or options.cache:
        return options
    return replace(options, cache=first.cache)


def stores_of(recipe: Recipe) -> Iterator[tuple[Step, Path]]:
    """Each step that may pay into a store that stays, with that store."""
    for step in recipe.steps:
        if pays(step.options) and not getattr(step.options, "no_cache", False):
            yield step, store_path(in_store_of(step.options, recipe.options_of("generate")).cache)
