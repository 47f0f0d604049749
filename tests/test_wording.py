"""Numbers, money and names in sentences."""

from decimal import Decimal

import pytest

from cotdistill.wording import amount, usd


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Decimal("0.00"), "0"),
        (36.0, "36.00"),
        ("0.5", "0.50"),
        (Decimal("0.0504"), "0.0504"),
        (12.34567, "12.3457"),
        (Decimal("0.00001234"), "0.0000123"),
        (0.00999999, "0.01"),
        (1e-9, "0.000000001"),
        (Decimal(-3), "-3.00"),
    ],
)
def test_money_stands_to_a_hundredth_of_a_cent_and_less_than_a_cent_to_three_digits(
    value: Decimal | float | str, shown: str
) -> None:
    assert amount(value) == shown
    assert usd(value) == f"{shown} USD"
