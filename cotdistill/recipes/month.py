"""What a recipe has cost since the month (UTC) began, by the store's own ledger."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from cotdistill import teachers
from cotdistill.config import GenerateConfig
from cotdistill.recipes import references
from cotdistill.store.location import store_path
from cotdistill.store.spending import month_of, spent_since

if TYPE_CHECKING:
    from cotdistill.pricing import Prices
    from cotdistill.providers.types import Teacher


def spent_this_month(recipe: Path, asking: Sequence[GenerateConfig]) -> Decimal:
    """USD for the teachers of these steps, whichever run asked them, and for all that this recipe asked: its judge and
    its evaluations too. Raises CotDistillError when a price is unknown."""
    from cotdistill.stages.generate.cascade.configs import pair
    from cotdistill.stages.generate.settings import prices_of

    begin, _ = month_of(datetime.now(UTC))
    asked: defaultdict[Path, list[tuple[Teacher, Prices]]] = defaultdict(list)
    for options in asking:
        by_teacher = asked[store_path(options.cache)]
        for one in pair(options)[: 1 + bool(options.then)]:
            if references.parse(one.teacher) is None:  # a student of this run is free
                teacher = teachers.build(one.teacher, one.base_url)
                by_teacher.append((teacher, prices_of(teacher, one)))
    return sum((spent_since(store, begin, by, str(recipe.resolve())) for store, by in asked.items()), Decimal(0))
