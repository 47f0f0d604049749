"""What the attempts of a request cost: reserved before each, settled after it."""

from decimal import Decimal
from typing import NamedTuple

from cotdistill.pricing import Billed
from cotdistill.providers.types import BadReplyError, Failure
from cotdistill.records import Usage


class Meter:
    """Pays for the attempts of one request; this one has no budget and admits any.

    `admit` raises NotAskedError when the money does not suffice for another attempt. Each admitted attempt is settled:
    with what it was billed for, or with None where it cannot have been billed. An attempt without an answer may have
    been billed too; if it does not say for what, its usage is unknown.
    """

    async def admit(self) -> None: ...

    def settle(self, billed: Billed | None) -> None: ...


class Unanswered(NamedTuple):
    """What an attempt without an answer may be billed for: an unknown usage."""

    usage: Usage = Usage()
    cost_usd: Decimal | None = None


def billed_for(error: Exception, failure: Failure) -> Billed | None:
    """What a failed attempt may cost. A refusal with a status is free with every provider, and so is a request that
    reached no server. An answer that came and could not be used, or broke off, is not."""
    if isinstance(error, BadReplyError):
        if error.usage.output_tokens is not None or error.cost_usd is not None:
            return error
        return None if error.problem is not None else Unanswered()
    return None if failure.kind == "unreachable" or hasattr(error, "status_code") else Unanswered()
