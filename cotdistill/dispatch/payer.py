"""The recipe on whose account the stages of a run pay."""

from contextvars import ContextVar
from typing import NamedTuple


class Payer(NamedTuple):
    """A recipe and one of its runs; both are empty for a command that no recipe started."""

    recipe: str = ""
    run: str = ""


PAYER: ContextVar[Payer] = ContextVar("payer", default=Payer())  # noqa: B039, a tuple cannot be changed
