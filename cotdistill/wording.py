"""Numbers, money and names in the sentences that a person reads."""

from decimal import Decimal

from cotdistill.masking import spelled_out

LONGEST_NAME = 60
"""Letters of a name in a table."""


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 row has`, `2,000 rows have`: a number with the words that fit it. Without `many` an s is added to `one`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def usd(value: Decimal | float | str) -> str:
    """Money with its unit: `12.30 USD`, `0.0504 USD`, `0.000123 USD`, `0 USD`."""
    return f"{amount(value)} USD"


def amount(value: Decimal | float | str) -> str:
    """Money in USD, where the unit stands elsewhere: to a hundredth of a cent, and what is less than a cent to three
    digits."""
    exact = Decimal(str(value))
    if not exact:
        return "0"
    whole, _, cents = f"{round(exact, max(4, 2 - exact.adjusted())):f}".partition(".")
    return f"{whole}.{cents.rstrip('0').ljust(2, '0')}"


def on_one_line(text: str) -> str:
    """For a column of a table: as wide as it will be where it is shown."""
    return spelled_out(" ".join(text.split()))


def shown_name(name: str) -> str:
    """A name out of a data set, such as a tag's value, in a table of one line a name: without its line breaks, which
    would begin lines of ours, and not longer than a table is wide."""
    line = on_one_line(name)
    return line if len(line) <= LONGEST_NAME else f"{line[: LONGEST_NAME - 1]}…"
