"""What a recipe has cost since the month (UTC) began, by its stores' ledgers."""

import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from cotdistill import teachers
from cotdistill.config import ExpandConfig, GenerateConfig
from cotdistill.recipes import references
from cotdistill.recipes.recipe import Recipe
from cotdistill.recipes.steps import Step
from cotdistill.recipes.stores import stores_of
from cotdistill.store import spending
from cotdistill.store.spending import month_of, spent_since

if TYPE_CHECKING:
    from cotdistill.pricing import Prices
    from cotdistill.providers.types import Teacher

LOOK_S = 1.0
"""Seconds between two looks at what other runs pay."""


def spent_this_month(recipe: Recipe) -> Decimal:
    """USD for the teachers of its steps, whichever run asked them, and for everything that this recipe asked, its judge
    and its evaluations included. Raises CotDistillError when a price is unknown."""
    begin, _ = month_of(datetime.now(UTC))
    owner = str(recipe.path.resolve())
    return sum((spent_since(store, begin, by, owner) for store, by in _asked(recipe).items()), Decimal(0))


class SpentByOthers:
    """What others pay during one `run` of a recipe that counts in its month too: other runs of the recipe, such as a
    grid, for all that they ask, and any command for the recipe's teachers."""

    def __init__(self, recipe: Recipe, run: str) -> None:
        owner = str(recipe.path.resolve())
        self._stores = [spending.SpentByOthers(store, by, owner, run) for store, by in _asked(recipe).items()]
        self._usd, self._looked_at = Decimal(0), time.monotonic()

    def __call__(self) -> Decimal:
        """USD since this was made, as of the last look at the stores."""
        if time.monotonic() >= self._looked_at + LOOK_S:
            self._usd, self._looked_at = sum((one.usd() for one in self._stores), Decimal(0)), time.monotonic()
        return self._usd


def _asked(recipe: Recipe) -> "dict[Path, list[tuple[Teacher, Prices]]]":
    """Each store, with the teachers whose answers it holds and their prices."""
    from cotdistill.stages.generate.settings import prices_of

    asked: defaultdict[Path, list[tuple[Teacher, Prices]]] = defaultdict(list)
    for step, store in stores_of(recipe):
        by_teacher = asked[store]
        for one in _asked_by(step):
            if references.parse(one.teacher) is None:  # a student of this run is free
                teacher = teachers.build(one.teacher, one.base_url)
                by_teacher.append((teacher, prices_of(teacher, one)))
    return asked


def _asked_by(step: Step) -> Iterator[GenerateConfig]:
    """A step's teachers, each as generate would ask it."""
    from cotdistill.stages.expand.asking import as_generate, for_answers
    from cotdistill.stages.generate.cascade.configs import pair

    if isinstance(step.options, GenerateConfig):
        yield from pair(step.options)[: 1 + bool(step.options.then)]
    elif isinstance(step.options, ExpandConfig):
        writing = as_generate(step.options)
        yield writing
        if step.options.solver:
            yield for_answers(step.options, writing, 1)
