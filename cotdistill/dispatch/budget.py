"""A hard cap on what a run may cost: admission reserves the worst case, so that no answer can break it."""

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal

from cotdistill.errors import UsageError
from cotdistill.pricing import Prices
from cotdistill.providers.types import Reply, Request
from cotdistill.records import Usage

OVERHEAD_TOKENS = 64
"""What a provider's chat format adds to the text of a request, and some."""


@dataclass
class Budget:
    """Spends up to `limit` USD, by published prices. Requests in flight are reserved at their largest possible cost:
    a token for each byte of input, and the whole output cap. A request that gets no answer gives its share back.

    `exhausted` turns true when a request no longer fits with nothing in flight; from then on none is admitted.
    """

    limit: Decimal
    prices: Prices
    spent: Decimal = Decimal(0)
    exhausted: bool = False
    _reserved: dict[str, Decimal] = field(default_factory=dict, repr=False)
    _settled: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def __post_init__(self) -> None:
        if self.prices.cost(Usage(input_tokens=1, output_tokens=1)) is None:
            raise UsageError(
                f"--max-cost: the price of {self.prices.model!r} is not known; give --price-in and --price-out"
            )

    def check(self, request: Request) -> None:
        """Raises UsageError for a cap that not even this one request fits in."""
        worst = self.worst_case(request)
        if worst > self.limit:
            raise UsageError(
                f"--max-cost {self.limit}: one request may cost up to {worst:.4f} USD; give more, or a smaller "
                f"--max-output-tokens"
            )

    async def admit(self, name: str, request: Request) -> bool:
        """Reserve the worst case under `name`, waiting for others to come in cheaper; False when it cannot fit."""
        worst = self.worst_case(request)
        while not self.exhausted and self.spent + sum(self._reserved.values()) + worst > self.limit:
            if not self._reserved:
                self.exhausted = True
                self._settled.set()
                break
            self._settled.clear()
            await self._settled.wait()
        if self.exhausted:
            return False
        self._reserved[name] = worst
        return True

    def settle(self, name: str, reply: Reply | None) -> None:
        """Replace the reservation by what the answer cost; nothing for no answer."""
        del self._reserved[name]
        if reply is not None:
            self.spent += self.prices.charge(reply) or Decimal(0)
        self._settled.set()

    def worst_case(self, request: Request) -> Decimal:
        size = sum(len(turn.content.encode("utf-8", "replace")) for turn in request.messages)
        largest = Usage(input_tokens=size + OVERHEAD_TOKENS, output_tokens=request.max_output_tokens)
        return self.prices.cost(largest) or Decimal(0)
