"""Whether two numbers are the same: exactly, as binary floats compute them, or one as the other rounded."""

from fractions import Fraction

from cotdistill.answers.numbers import Number
from cotdistill.answers.unit_ratio import ratio
from cotdistill.answers.units import NONE

LONG = 15
"""Significant digits: a decimal with so many was computed with binary floats, and is only near to what it means."""


def same(gold: Number, given: Number) -> bool:
    """Equality by the conventions of docs/verifiers.md."""
    if gold.ordinal != given.ordinal and (gold.unit if given.ordinal else given.unit).dimensions:
        return False  # the 2nd is no 2 seconds
    scale = ratio(gold.unit, given.unit)
    if scale is None:
        return False
    if gold.unit.percent != given.unit.percent:
        percent, bare = (gold, given) if gold.unit.percent else (given, gold)
        hundred = 100 if abs(bare.value) <= 1 else 1
        if gold.unit.percent and gold.value > 100 and bare.value * 100 == gold.value:  # 150% is 1.5
            return True
        return percent.value == bare.value * hundred or _rounds(Number(bare.value * hundred, NONE, None), percent)
    if scale != 1:
        given = Number(given.value * scale, gold.unit, None)
    if gold.value == given.value or _near(gold, given):
        return True
    return _rounds(gold, given) or _rounds(given, gold) or _finer(gold, given)


def _near(one: Number, other: Number) -> bool:
    """Computed with binary floats: 0.30000000000000004 is 0.3."""
    is_long = any(side.decimals and side.digits >= LONG for side in (one, other))
    return is_long and abs(one.value - other.value) <= abs(one.value) / 10**12


def _rounds(exact: Number, decimal: Number) -> bool:
    """Whether a decimal is the other number, rounded to two or more decimals and three or more significant digits.
    Only where the other is endless, or has at least three decimals more."""
    if not decimal.decimals or decimal.decimals < 2:
        return False
    if exact.decimals is None:
        finer = _endless(exact.value)
    else:
        finer = exact.digits >= LONG or exact.decimals >= decimal.decimals + 3 or _repeats(exact, decimal.decimals)
    scaled = decimal.value * 10**decimal.decimals
    return finer and bool(abs(scaled) >= 100 and abs(exact.value * 10**decimal.decimals - scaled) * 2 <= 1)


def _finer(gold: Number, given: Number) -> bool:
    """Whether a given decimal agrees with all digits of the reference and has more: two more beyond three significant
    digits and two decimals, 2.71828 for 2.718; or both are one fraction of thirds, sixths or ninths, 33.33 for 33.3."""
    if not gold.decimals or not given.decimals or given.decimals <= gold.decimals or gold.digits < 2:
        return False
    if abs(gold.value - given.value) * 2 * 10**gold.decimals > 1:
        return False
    if gold.decimals >= 2 and gold.digits >= 3 and given.decimals >= gold.decimals + 2:
        return True
    ninths = Fraction(round(given.value * 18), 18)
    return _endless(ninths) and all(
        abs(ninths - one.value) * 10**one.decimals < 1 for one in (gold, given) if one.decimals
    )


def _repeats(number: Number, decimals: int) -> bool:
    """Whether a decimal of four digits or more is a fraction without end, rounded: 41.6667 is 125/3."""
    if number.decimals is None or number.decimals < 4 or number.decimals <= decimals:
        return False
    simple = number.value.limit_denominator(int(10 ** (number.decimals / 2) / 3))
    return _endless(simple) and abs(simple - number.value) * 2 * 10**number.decimals <= 1


def _endless(value: Fraction) -> bool:
    """Whether the decimal expansion goes on for ever: the denominator has a prime besides 2 and 5."""
    return bool(pow(10, value.denominator.bit_length(), value.denominator))
