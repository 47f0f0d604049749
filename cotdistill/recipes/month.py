"""What a recipe has cost since the month (UTC) began, by the store's own ledger."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any


def spent_this_month(recipe: Path, options: Any) -> Decimal:
    """USD for the teacher of generate's `options`, whichever run asked it, and for all that this recipe asked: its
    judge and its evaluations too. Raises CotDistillError when a price is unknown."""
    from cotdistill import teachers
    from cotdistill.stages.generate import prices_of
    from cotdistill.store.location import store_path
    from cotdistill.store.spending import month_of, spent_since

    teacher = teachers.build(options.teacher, options.base_url)
    begin, _ = month_of(datetime.now(UTC))
    return spent_since(store_path(options.cache), begin, teacher, prices_of(teacher, options), str(recipe.resolve()))
