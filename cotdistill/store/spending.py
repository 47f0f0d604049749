"""What was paid, by when, for which model: the ledger of a monthly budget. It outlives the answers it paid for."""

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
    run: str = ""
    """Of a recipe's runs, which one; they may go on at once."""


@dataclass
class Share:
    """What one group of a month came to, in USD; `unpriced` attempts have no known cost; it is bounded by `worst_usd`
    where it was known what they might cost at most."""

    name: str
    attempts: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0
    worst_usd: Decimal = Decimal(0)


INTO_SPENDING = "INTO spending (at, provider, model, stage, recipe, key, sample, cost_usd, worst_usd, run)"


def row_of(paid: Paid) -> tuple[object, ...]:
    """For `INTO_SPENDING`, within the transaction that stores the answer."""
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
    """USD that was paid out of this store at `moment` (Unix time) or later: by any run for these teachers, and by
    this recipe for all. Also a killed run is in it. What is not known counts at its worst case.

    Raises CotDistillError when a price is unknown: a budget that cannot be kept is none."""
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
    """USD that is paid out of a store from now on and counts in a recipe's month, but for what this `run` of it pays:
    by other runs of the recipe for all that they ask, and by any other command for the recipe's teachers."""

    def __init__(self, store: Path, asked: Sequence[tuple[Teacher, Prices]], recipe: str, run: str) -> None:
        self._store, self._asked, self._recipe, self._run = store, asked, recipe, run
        self._usd = Decimal(0)
        self._seen = 0
        """The row that was read last. Rows are added in the order of their commits, and none is ever deleted."""
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
    """The condition, with its values, that an attempt counts in a recipe's month: its teacher is one of the recipe's,
    or the recipe asked it."""
    conditions = ["(s.provider = ? AND s.model = ?)"] * len(asked) + ["(s.recipe = ? AND s.recipe != '')"]
    names = [name for teacher, _ in asked for name in (teacher.provider, teacher.model)]
    return f"({' OR '.join(conditions)})", [*names, recipe]


def _costs(
    database: Database, condition: str, values: Sequence[object], asked: Sequence[tuple[Teacher, Prices]]
) -> Iterator[tuple[int, Decimal]]:
    """Of each attempt its row and what it cost."""
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
