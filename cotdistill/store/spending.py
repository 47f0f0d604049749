"""What was paid, by when, for which model: the ledger of a monthly budget. It outlives the answers it paid for."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from cotdistill.errors import CotDistillError, UsageError
from cotdistill.pricing import FREE, Billed, Prices
from cotdistill.providers.types import BadReplyError, Teacher
from cotdistill.records import money
from cotdistill.store.database import Database, unpacked

GROUPS = ("teacher", "recipe", "stage")


class Paid(NamedTuple):
    """One attempt that was billed, or may have been: then `cost_usd` is None and `worst_usd` its bound. `key` None for
    an attempt without an answer."""

    provider: str
    model: str
    stage: str
    recipe: str
    key: str | None
    sample: int | None
    cost_usd: Decimal | None
    worst_usd: Decimal | None


@dataclass
class Share:
    """What one group of a month came to, in USD; `unpriced` attempts have no known cost; it is bounded by `worst_usd`
    where it was known what they might cost at most."""

    name: str
    attempts: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0
    worst_usd: Decimal = Decimal(0)


INTO_SPENDING = "INTO spending (at, provider, model, stage, recipe, key, sample, cost_usd, worst_usd)"


def row_of(paid: Paid) -> tuple[object, ...]:
    """For `INTO_SPENDING`, within the transaction that stores the answer."""
    return (time.time(), *paid[:6], money(paid.cost_usd), money(paid.worst_usd))


def month_of(moment: datetime) -> tuple[float, float]:
    """Begin and end of a month (UTC), in Unix time."""
    begin = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    end = begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)
    return begin.timestamp(), end.timestamp()


def parsed_month(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"--month {text!r}: expected YYYY-MM, such as 2026-01") from None


def spent_since(store: Path, moment: float, asked: Sequence[tuple[Teacher, Prices]], recipe: str = "") -> Decimal:
    """USD that was paid out of this store at `moment` (Unix time) or later: by any run for these teachers, and by
    this recipe for all. Also a killed run is in it. What is not known counts at its worst case.

    Raises CotDistillError when a price is unknown: a budget that cannot be kept is none."""
    if not store.is_file():
        return Decimal(0)
    database = Database(store)
    try:
        return sum(_costs(database, moment, asked, recipe), Decimal(0))
    finally:
        database.close()


def _costs(
    database: Database, moment: float, asked: Sequence[tuple[Teacher, Prices]], recipe: str
) -> Iterator[Decimal]:
    known = {(teacher.provider, teacher.model): (teacher, prices) for teacher, prices in asked}
    named = " OR ".join(["(s.provider = ? AND s.model = ?)"] * len(known) + ["(s.recipe = ? AND s.recipe != '')"])
    query = f"""SELECT s.provider, s.model, s.cost_usd, s.worst_usd, a.raw, b.key IS NOT NULL, s.key, s.sample
               FROM spending s LEFT JOIN answers a ON a.key = s.key AND a.sample = s.sample AND s.cost_usd IS NULL
               LEFT JOIN batch_answers b ON b.key = s.key AND b.sample = s.sample
               WHERE s.at >= ? AND ({named})"""
    names = [part for name in known for part in name]
    for provider, model, cost, worst, raw, batch, key, sample in database.walk(query, moment, *names, recipe):
        usd = None if cost is None else Decimal(cost)
        if usd is None and raw is not None and (provider, model) in known:
            teacher, prices = known[provider, model]
            # Bought when its price was not known, or before there was a ledger.
            billed = _read(teacher, unpacked(raw, f"{database.path}: {key} {sample}"))
            usd = prices.charge(billed, batch=bool(batch))
        if usd is None and provider in FREE:
            usd = Decimal(0)
        if usd is None and worst is None and raw is not None:
            raise CotDistillError(
                f"max_cost_per_month: the price of {model!r} is not known; give price_in and price_out"
            )
        yield usd if usd is not None else Decimal(worst or 0)


def _read(teacher: Teacher, raw: bytes) -> Billed:
    """Also what is no answer may have been billed."""
    try:
        return teacher.read(raw)
    except BadReplyError as error:
        return error


def spent_by(store: Path, month: datetime, groups: Sequence[str]) -> list[Share]:
    """What a month cost, the dearest group first."""
    for group in groups:
        if group not in GROUPS:
            raise UsageError(f"--by {group!r}: expected one or more of {', '.join(GROUPS)}")
    begin, end = month_of(month)
    database = Database(store, create=False)
    shares: defaultdict[str, Share] = defaultdict(lambda: Share(""))
    try:
        rows = database.walk(
            "SELECT provider, model, stage, recipe, cost_usd, worst_usd FROM spending WHERE at >= ? AND at < ?",
            begin,
            end,
        )
        for provider, model, stage, recipe, cost, worst in rows:
            names = {"teacher": f"{provider}:{model}", "recipe": recipe or "(no recipe)", "stage": stage or "(unknown)"}
            share = shares[" ".join(names[group] for group in groups)]
            share.attempts += 1
            share.cost_usd += Decimal(cost or 0)
            unpriced = cost is None and provider not in FREE
            share.unpriced += unpriced
            share.worst_usd += Decimal(worst or 0) if unpriced else 0
    finally:
        database.close()
    for name, share in shares.items():
        share.name = name
    return sorted(shares.values(), key=lambda share: -share.cost_usd)
