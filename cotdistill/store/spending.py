"""What the store's answers cost, by when they were bought: the ledger of a monthly budget."""

import sqlite3
import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from cotdistill.errors import CotDistillError
from cotdistill.pricing import Billed, Prices
from cotdistill.providers.types import BadReplyError, Teacher
from cotdistill.store.batches import BatchState


def spent_since(store: Path, moment: float, teacher: Teacher, prices: Prices) -> Decimal:
    """USD for this teacher's answers that were stored at `moment` (Unix time) or later. Also a killed run is in it.

    Raises CotDistillError when the price is unknown: a budget that cannot be kept is none."""
    total = Decimal(0)
    if not store.is_file():
        return total
    with BatchState(store) as batches:
        for key, sample, raw in _answers(store, moment, teacher):
            cost = prices.charge(_read(teacher, raw), batch=batches.bought(key, sample))
            if cost is None:
                raise CotDistillError(
                    f"max_cost_per_month: the price of {teacher.model!r} is not known; give price_in and price_out"
                )
            total += cost
    return total


def _read(teacher: Teacher, raw: bytes) -> Billed:
    """Also what is no answer may have been billed."""
    try:
        return teacher.read(raw)
    except BadReplyError as error:
        return error


def _answers(store: Path, moment: float, teacher: Teacher) -> Iterator[tuple[str, int, bytes]]:
    connection = sqlite3.connect(store, timeout=60)
    try:
        query = "SELECT key, sample, raw FROM answers WHERE stored_at >= ? AND provider = ? AND model = ?"
        for key, sample, raw in connection.execute(query, (moment, teacher.provider, teacher.model)):
            yield key, sample, zlib.decompress(raw)
    finally:
        connection.close()
