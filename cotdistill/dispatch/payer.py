"""On whose account stages pay."""

from contextvars import ContextVar
from typing import NamedTuple


class Payer(NamedTuple):
    """A recipe, and which of its runs. Both are empty for a command of its own."""

    recipe: str = ""
    run: str = ""


PAYER: ContextVar[Payer] = ContextVar("payer", default=Payer())  # noqa: B039, a tuple cannot be changed
