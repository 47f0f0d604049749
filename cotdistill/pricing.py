"""What an answer cost, by genai-prices (offline) or by the prices a person gives. Unknown is None, never 0."""

import functools
from dataclasses import dataclass
from decimal import Decimal

from cotdistill.records import Usage

_PER_MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Prices:
    """USD per million tokens of one model, as given with --price-in and --price-out; None asks genai-prices."""

    provider: str
    model: str
    input: Decimal | None = None
    output: Decimal | None = None

    def cost(self, usage: Usage, *, batch: bool = False) -> Decimal | None:
        """Estimate in USD. Providers bill; this adds up the published prices. In a batch everything costs half."""
        cost = self._online(usage)
        return cost / 2 if batch and cost is not None else cost

    def _online(self, usage: Usage) -> Decimal | None:
        if self.input is not None and self.output is not None:
            return (usage.input_tokens * self.input + usage.output_tokens * self.output) / _PER_MILLION
        if self.provider in ("mock", "local"):
            return None
        return self._published(usage)

    def _published(self, usage: Usage) -> Decimal | None:
        if not _is_priced(self.provider, self.model):
            return None
        import genai_prices

        amounts = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cached_tokens,
        )
        return genai_prices.calc_price(amounts, model_ref=self.model, provider_id=self.provider).total_price


@functools.cache
def _is_priced(provider: str, model: str) -> bool:
    """Asked once, for genai-prices goes through all its models whenever there is none of that name."""
    import genai_prices

    try:
        genai_prices.calc_price(genai_prices.Usage(), model_ref=model, provider_id=provider)
    except LookupError:
        return False
    return True
