"""Collects everything that is wrong with a recipe."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cotdistill.errors import AccountError, CotDistillError


@dataclass
class Problems:
    """Problems with their places. `accounts` counts the keys that are not set."""

    found: list[str] = field(default_factory=list)
    accounts: int = 0

    def add(self, place: str, why: str) -> None:
        if (line := f"{place}: {why}") not in self.found:
            self.found.append(line)

    @contextmanager
    def collected(self, place: str) -> Iterator[None]:
        """An error inside this block becomes a problem at `place`."""
        try:
            yield
        except CotDistillError as error:
            self.accounts += isinstance(error, AccountError)
            option = place.rpartition(".")[2].replace("_", "-")
            self.add(place, str(error).removeprefix(f"--{option}: "))

    def only_accounts(self) -> bool:
        return self.accounts == len(self.found)
