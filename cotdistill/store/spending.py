"""The ledger of a monthly budget: what was paid, when, and for which model. It outlives the answers it paid for."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
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
    """One attempt that was billed, or may have been: then `cost_usd` is None and `worst_usd` its bound. `key` is None
    for an attempt without an answer."""

    provider: str
    model: str
    stage: str
    recipe: str
    key: str | None
    sample: int | None
    cost_usd: Decimal | None
    worst_usd: Decimal | None
    run: str = ""
    """The run of the recipe that paid; several may go on at once."""


@dataclass
class Share:
    """What one group of attempts cost in a month, in USD. `unpriced` attempts have no known cost; `worst_usd` is their
    bound as far as one is known."""

    name: str
    attempts: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0
    worst_usd: Decimal = Decimal(0)


INTO_SPENDING = "INTO spending (at, provider, model, stage, recipe, key, sample, cost_usd, worst_usd, run)"


def row_of(paid: Paid) -> tuple[object, ...]:
    """The values for `INTO_SPENDING`, within the transaction that stores the answer."""
    return (time.time(), *paid[:6], money(paid.cost_usd), money(paid.worst_usd), paid.run)


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
    """USD paid out of this store at `moment` (Unix time) or later: by any run for these teachers, and by this recipe
    for all teachers. Killed runs are included. An unknown cost counts at its worst case.

    Raises CotDistillError where a price is unknown, because such a budget cannot be kept.
    """
    if not store.is_file():
        return Decimal(0)
    of_recipe, values = _of_recipe(asked, recipe)
    database = Database(store)
    try:
        costs = _costs(database, f"s.at >= ? AND {of_recipe}", (moment, *values), asked)
        return sum((cost for _, cost in costs), Decimal(0))
    finally:
        database.close()


class SpentByOthers:
    """USD paid out of a store from now on that counts in a recipe's month, without what this `run` of it pays: other
    runs of the recipe for whatever they ask, and other commands for the recipe's teachers."""

    def __init__(self, store: Path, asked: Sequence[tuple[Teacher, Prices]], recipe: str, run: str) -> None:
        self._store, self._asked, self._recipe, self._run = store, asked, recipe, run
        self._usd = Decimal(0)
        self._seen = 0
        """The last row that was read. Rows are added in the order of their commits, and none is ever deleted."""
        if store.is_file():
            with closing(Database(store)) as database:
                self._seen = int(database.read("SELECT max(rowid) FROM spending")[0][0] or 0)

    def usd(self) -> Decimal:
        if self._store.is_file():
            of_recipe, values = _of_recipe(self._asked, self._recipe)
            later = f"s.rowid > ? AND s.run != ? AND {of_recipe}"
            with closing(Database(self._store)) as database:
                for row, cost in _costs(database, later, (self._seen, self._run, *values), self._asked):
                    self._seen, self._usd = max(self._seen, row), self._usd + cost
        return self._usd


def _of_recipe(asked: Sequence[tuple[Teacher, Prices]], recipe: str) -> tuple[str, list[str]]:
    """The SQL condition, and its values, for attempts that count in a recipe's month: the teacher is one of the
    recipe's, or the recipe asked it."""
    conditions = ["(s.provider = ? AND s.model = ?)"] * len(asked) + ["(s.recipe = ? AND s.recipe != '')"]
    names = [name for teacher, _ in asked for name in (teacher.provider, teacher.model)]
    return f"({' OR '.join(conditions)})", [*names, recipe]


def _costs(
    database: Database, condition: str, values: Sequence[object], asked: Sequence[tuple[Teacher, Prices]]
) -> Iterator[tuple[int, Decimal]]:
    """Each attempt's row number and cost."""
    known = {(teacher.provider, teacher.model): (teacher, prices) for teacher, prices in asked}
    query = f"""SELECT s.rowid, s.provider, s.model, s.cost_usd, s.worst_usd, a.raw, b.key IS NOT NULL, s.key, s.sample
               FROM spending s LEFT JOIN answers a ON a.key = s.key AND a.sample = s.sample AND s.cost_usd IS NULL
               LEFT JOIN batch_answers b ON b.key = s.key AND b.sample = s.sample
               WHERE {condition}"""
    for row, provider, model, cost, worst, raw, batch, key, sample in database.walk(query, *values):
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
        yield row, usd if usd is not None else Decimal(worst or 0)


def _read(teacher: Teacher, raw: bytes) -> Billed:
    """What a stored body was billed for, also where it is no answer."""
    try:
        return teacher.read(raw)
    except BadReplyError as error:
        return error


def spent_by(store: Path, month: datetime, groups: Sequence[str]) -> list[Share]:
    """What each group cost in a month, dearest first."""
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
