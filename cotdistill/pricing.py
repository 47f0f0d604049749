"""The cost of an answer: what its provider says, else by genai-prices (offline) or by the prices that the user gives.
An unknown cost is None, never 0."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, cached_property, reduce
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cotdistill.records import Usage

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

BATCHED = ("anthropic", "openai", "openai_responses")
"""Teachers whose Batch API costs half."""

FREE = {"mock": "none, the teacher is simulated", "local": "none, the teacher runs here"}
"""Teachers that cost nothing, and what an estimate says of their cost."""

FREE_OF_CHARGE = "--price-in 0 --price-out 0 says that it costs nothing"
"""An estimate's words for the user's own server, which may also be a gateway to one that bills."""

_NO_PLUG_INS = "PYDANTIC_DISABLE_PLUGINS"
_PER_MILLION = Decimal(1_000_000)
_ONE_EACH = Usage(input_tokens=1, output_tokens=1)


class _Rates(NamedTuple):
    """USD per token for requests of up to `most_input` input tokens; some models cost more beyond a number."""

    input: Decimal
    cached: Decimal
    output: Decimal
    most_input: float


def plus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """The sum of two costs in USD; None where one of them is not known."""
    return None if one is None or other is None else one + other


def total(costs: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of costs in USD; None where one of them is not known."""
    nothing: Decimal | None = Decimal(0)
    return reduce(plus, costs, nothing)


class Billed(Protocol):
    """An answer, or what came instead of one: its tokens, and the cost where the provider states it."""

    @property
    def usage(self) -> Usage: ...

    @property
    def cost_usd(self) -> Decimal | None: ...


@dataclass(frozen=True)
class Prices:
    """The prices of one model: USD per million tokens as given with --price-in and --price-out; None asks
    genai-prices."""

    provider: str
    model: str
    input: Decimal | None = None
    output: Decimal | None = None
    own_server: bool = field(default=False, kw_only=True)
    """Whether the user runs the server, so that no price list has it."""

    @property
    def why_unknown(self) -> str:
        """An estimate's words where the cost is not known."""
        if self.own_server:
            return f"not counted, the server is your own; {FREE_OF_CHARGE}"
        return FREE.get(self.provider, "unknown; give --price-in and --price-out")

    @property
    def free(self) -> bool:
        """Whether the model costs nothing. Prices that the user gives count for a free teacher too, as in a
        rehearsal."""
        return self.provider in FREE and (self.input is None or self.output is None)

    def load(self) -> None:
        """Load the price list, from any thread, before the first answer comes: it takes 70 ms."""
        self.cost(_ONE_EACH)

    def charge(self, answer: Billed, *, batch: bool = False) -> Decimal | None:
        """USD for one answer: the provider's own figure where it sends one, else the estimate."""
        return answer.cost_usd if answer.cost_usd is not None else self.cost(answer.usage, batch=batch)

    def cost(self, usage: Usage, *, batch: bool = False) -> Decimal | None:
        """Estimate in USD, by the published prices; None where price or tokens are unknown. In a batch everything
        costs half."""
        cost = self._online(usage)
        return cost / 2 if batch and cost is not None else cost

    def _online(self, usage: Usage) -> Decimal | None:
        if usage.input_tokens is None or usage.output_tokens is None:
            return None
        if self.input is not None and self.output is not None:
            return (usage.input_tokens * self.input + usage.output_tokens * self.output) / _PER_MILLION
        if self.free or not self._known:
            return None
        rates, cached = self._rates, usage.cached_tokens or 0
        if rates is None or usage.input_tokens > rates.most_input:
            found = self._look_up(usage)
            return None if found is None else found.total_price
        fresh = usage.input_tokens - cached
        return fresh * rates.input + cached * rates.cached + usage.output_tokens * rates.output

    @cached_property
    def _known(self) -> bool:
        return self._look_up(_ONE_EACH) is not None

    @cached_property
    def _rates(self) -> _Rates | None:
        """The rates for a number of input tokens, cached: a look-up takes 100 us, and a run from the store would make
        one an answer. None where an answer costs more than its tokens, such as a fee a request."""
        from genai_prices.types import TieredPrices

        one, cached = self._look_up(_ONE_EACH), self._look_up(Usage(input_tokens=1, output_tokens=0, cached_tokens=1))
        if one is None or cached is None or one.total_price != one.input_price + one.output_price:
            return None
        prices = vars(one.model_price).values()
        starts = [tier.start for price in prices if isinstance(price, TieredPrices) for tier in price.tiers]
        return _Rates(one.input_price, cached.input_price, one.output_price, min(starts, default=float("inf")))

    def _look_up(self, usage: Usage) -> "PriceCalculation | None":
        genai_prices = _library()
        amounts = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cached_tokens,
        )
        try:
            found: PriceCalculation = genai_prices.calc_price(amounts, model_ref=self.model, provider_id=self.provider)
            return found
        except LookupError:
            return None


@cache
def _library() -> ModuleType:
    """genai-prices, imported without pydantic's search of every installed package for plug-ins."""
    before = os.environ.get(_NO_PLUG_INS)
    os.environ[_NO_PLUG_INS] = "1"
    try:
        import genai_prices
    finally:
        if before is None:
            os.environ.pop(_NO_PLUG_INS, None)  # two threads may load it at once
        else:
            os.environ[_NO_PLUG_INS] = before
    return genai_prices
