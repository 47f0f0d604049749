"""A hard cap on what a run may cost: every attempt reserves its worst case before it is sent."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from cotdistill.errors import CotDistillError, UsageError
from cotdistill.pricing import Prices
from cotdistill.providers.types import Request
from cotdistill.records import Usage
from cotdistill.wording import amount, usd

OVERHEAD_TOKENS = 64
"""An upper bound on the tokens that a provider's chat format adds to the text of a request."""

UNPROVEN = 16
"""An attempt may cost this many times its worst case until the server's first answer shows otherwise. The factor falls
with each answer to `PROVEN`; one answer that cost more than its worst case raises it to `CAUGHT`."""

PROVEN, CAUGHT = 2, 8


class Worst(NamedTuple):
    """The most that one attempt should cost: one token for each byte of input, and the whole output cap."""

    input_tokens: int
    output_tokens: int

    @classmethod
    def of(cls, request: Request) -> "Worst":
        return cls(request.most_input_tokens + OVERHEAD_TOKENS, request.max_output_tokens)


@dataclass
class Tariff:
    """One teacher's prices, and how far its server exceeds the worst case: some count the input otherwise, some ignore
    the output cap. Both factors are 1 until an answer shows more."""

    prices: Prices
    advice: str = "--max-cost: the price of {model!r} is not known; give --price-in and --price-out"
    answers: int = 0
    input_factor: float = 1.0
    output_factor: float = 1.0

    def __post_init__(self) -> None:
        if not self.prices.free and self.prices.cost(Usage(input_tokens=1, output_tokens=1)) is None:
            more = "; 0 is a price too, for a server of your own" if self.prices.own_server else ""
            raise UsageError(self.advice.format(model=self.prices.model) + more)

    @property
    def margin(self) -> int:
        if max(self.input_factor, self.output_factor) > 1:
            return max(CAUGHT, UNPROVEN // (1 + self.answers))
        return max(PROVEN, UNPROVEN // (1 + self.answers))

    def usd(self, worst: Worst) -> Decimal:
        tokens = Usage(
            input_tokens=round(worst.input_tokens * self.input_factor),
            output_tokens=round(worst.output_tokens * self.output_factor),
        )
        return self.prices.cost(tokens) or Decimal(0)

    def learn(self, worst: Worst, usage: Usage, cost: Decimal | None) -> bool:
        """Learn from the usage of one attempt; `cost` is None where it is not known. Returns whether it exceeded the
        worst case."""
        before = (self.input_factor, self.output_factor)
        self.answers += cost is not None
        self.input_factor = max(self.input_factor, (usage.input_tokens or 0) / worst.input_tokens)
        self.output_factor = max(self.output_factor, (usage.output_tokens or 0) / worst.output_tokens)
        thought = self.usd(worst)
        if cost is not None and cost > thought > 0:  # the provider bills more than its published prices
            self.input_factor *= float(cost / thought)
            self.output_factor *= float(cost / thought)
        return (self.input_factor, self.output_factor) != before


class _Reserved(NamedTuple):
    tariff: Tariff
    worst: Worst
    amount: Decimal


@dataclass
class Budget:
    """Spends up to `limit` USD for all teachers of a run, by published prices, and never more than `parent` has left.

    Attempts in flight are reserved at their worst case; an answer that costs more than that raises the reservations
    that are still open. Until a server is proven, few attempts fly at once, so that a server which lies about its
    limits cannot take the run beyond the cap by more than an answer. Where a server reports no usage, an attempt counts
    at its worst case (`unknown`).

    `exhausted` turns true when a request no longer fits with nothing in flight; from then on none is admitted.
    """

    limit: Decimal
    name: str = "--max-cost"
    too_small: type[CotDistillError] = UsageError
    """The error for a limit that not even one request fits in: a slip of the user, or a month that is nearly spent."""
    parent: "Budget | None" = None
    others: Callable[[], Decimal] = lambda: Decimal(0)
    """USD that other processes have spent of the same limit since it was set."""
    spent: Decimal = Decimal(0)
    unknown: Decimal = Decimal(0)
    """The part of `spent` that is a worst case."""
    exhausted: bool = False
    _reserved: dict[object, _Reserved] = field(default_factory=dict, repr=False)
    _total: Decimal = field(default=Decimal(0), repr=False)
    """The sum of all reservations in USD."""
    _waiting: list["asyncio.Future[None]"] = field(default_factory=list, repr=False)

    @classmethod
    def within(cls, month: "Budget | None", max_cost: float | None) -> "Budget | None":
        """The budget of a run with --max-cost inside what its recipe's month has left; None without either cap."""
        return month if max_cost is None else cls(Decimal(str(max_cost)), parent=month)

    def check(self, tariff: Tariff, request: Request) -> None:
        """Raises `too_small` for a cap that not even this one request fits in."""
        self.check_usd(tariff.usd(Worst.of(request)), "one request", "a smaller --max-output-tokens")

    def check_usd(self, worst: Decimal, what: str, instead: str) -> None:
        """Raises `too_small` where `what` may cost `worst` USD and the limit is less."""
        if worst > self.limit:
            raise self.too_small(
                f"{self.name} {amount(self.limit)}: {what} may cost up to {usd(worst)}; give more, or {instead}"
            )
        if self.parent:
            self.parent.check_usd(worst, what, instead)

    async def admit(self, ticket: object, tariff: Tariff, worst: Worst) -> bool:
        """Reserve the worst case under `ticket`, waiting while other attempts may still turn out cheaper. Returns False
        when it cannot fit."""
        while not self.exhausted and not self.fits(tariff, worst):
            if not self._reserved:
                self._exhaust()
                break
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        if self.exhausted:
            return False
        self._reserve(ticket, tariff, worst)
        if self.parent and not await self.parent.admit(ticket, tariff, worst):
            self._total -= self._reserved.pop(ticket).amount
            self._exhaust()
            return False
        return True

    def settle(self, ticket: object, usage: Usage | None, cost: Decimal | None = None) -> None:
        """Replace a reservation by what the attempt cost: nothing where `usage` is None, the worst case where neither
        `usage` nor `cost` says."""
        tariff, worst, _ = self._reserved[ticket]
        dearer = usage is not None and tariff.learn(worst, usage, cost)
        self._settle(ticket, None if usage is None else tariff.usd(worst), cost, dearer=dearer)

    def _settle(self, ticket: object, worst_usd: Decimal | None, cost: Decimal | None, *, dearer: bool) -> None:
        self._total -= self._reserved.pop(ticket).amount
        if dearer:
            self._price_again()
        if worst_usd is not None:
            self.spent += worst_usd if cost is None else cost
            self.unknown += worst_usd if cost is None else 0
        if self.parent:
            self.parent._settle(ticket, worst_usd, cost, dearer=dearer)
        self._wake()

    def pay(self, cost: Decimal) -> None:
        """Count USD that no attempt has reserved, such as the cost of a batch's answer."""
        self.spent += cost
        if self.parent:
            self.parent.pay(cost)
        self._wake()

    def fits(self, tariff: Tariff, worst: Worst) -> bool:
        left, amount = self._left, tariff.usd(worst)
        return (self._total + amount) * (tariff.margin if self._reserved else 1) <= left

    @property
    def left(self) -> Decimal:
        """USD not spent: this budget's or the parent's, whichever is less."""
        return min(self._left, self.parent.left) if self.parent else self._left

    @property
    def _left(self) -> Decimal:
        return self.limit - self.spent - self.others()

    def describe(self) -> str:
        """Says at the end of a run which cap stopped it, and what was spent."""
        if self.parent and self.parent.exhausted:
            return self.parent.describe()
        worst = f" ({amount(self.unknown)} of it is a worst case: the server did not say)" if self.unknown else ""
        others = f", {amount(self.others())} by other runs meanwhile" if self.others() else ""
        return (
            f"stopped at {self.name}: {amount(self.spent)} of {usd(self.limit)} spent{worst}{others}; "
            f"the next request might not fit"
        )

    def _reserve(self, ticket: object, tariff: Tariff, worst: Worst) -> None:
        self._reserved[ticket] = _Reserved(tariff, worst, tariff.usd(worst))
        self._total += self._reserved[ticket].amount

    def _price_again(self) -> None:
        self._reserved = {
            ticket: _Reserved(tariff, worst, tariff.usd(worst)) for ticket, (tariff, worst, _) in self._reserved.items()
        }
        self._total = sum((one.amount for one in self._reserved.values()), Decimal(0))

    def _exhaust(self) -> None:
        self.exhausted = True
        self._wake()

    def _wake(self) -> None:
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(None)
        self._waiting.clear()
