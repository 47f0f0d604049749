"""Numbers as people and models write them, read exactly, with their units."""

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from cotdistill.answers.symbolic import MAX_EXPRESSION

_SHORT_UNITS = {
    "m", "g", "s", "h", "l", "L", "cm", "mm", "km", "kg", "mg", "ml", "mL", "ft", "in", "lb", "lbs", "oz", "hr", "hrs",
    "mi", "yd", "Hz", "am", "pm", "USD", "sq", "cu",
}  # fmt: skip
_UNIT_NAMES = {
    "dollar": "$", "usd": "$", "euro": "€", "centimeter": "cm", "centimetre": "cm", "meter": "m", "metre": "m",
    "kilometer": "km", "kilometre": "km", "millimeter": "mm", "millimetre": "mm", "gram": "g", "kilogram": "kg",
    "liter": "l", "litre": "l", "hour": "h", "hr": "h", "minute": "min", "second": "s", "sec": "s",
    "inche": "in", "inch": "in", "foot": "ft", "feet": "ft", "mile": "mi",
}  # fmt: skip
SCALE = re.compile(
    r"\b(?:hundred|thousand|[mbtr]{1,2}illion|dozen|half|halves|thirds?|quarters?|fifths?|plus|minus|times|and|or|more"
    r"|less|fewer|most|least|than|over|squared|cubed|factorial|mod|base|point|remainder|not|if|is|sqrt|sin|cos|tan|log"
    r"|sec|exp)\b"
)
"""Words that make another number of the number before them."""
_UNIT_WORD = re.compile(r"([A-Za-z$€£]+)\.?((?:\^\{?|\*\*)?[23]\}?)?(?:/([A-Za-z]+)(?:\^?[23])?)?")
_GLUE = frozenset({"a", "an", "of", "per", "the", "each", "to"})
_VALUE = re.compile(
    r"(?P<sign>[-+]?) ?(?P<currency>[$€£]?) ?(?P<inner>-?)"
    r"(?:(?P<whole>\d{1,4}) (?=\d+/\d+(?![\d.])))?"
    r"(?P<digits>(?:(?!0,)\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?: \d{3})+(?![\d/])|\d+)(?:\.\d*)?|\.\d+)"
    r"(?:[eE](?P<exponent>[-+]?\d{1,3})(?![\d.]))?(?: ?/ ?(?P<under>\d+(?:\.\d+)?))?(?P<rest>(?: ?[%$€£A-Za-z].*)?)"
)
_FRACTION = re.compile(r"(\d? ?)\\frac ?(?:\{ ?(\d[\d.,]*) ?\}|(\d)) ?(?:\{ ?(\d[\d.]*) ?\}|(\d))(?! ?[\d.({\\^!_])")
_REPEATING = re.compile(r"(\d*)\.(\d*)\\(?:overline|bar) ?\{(\d{1,12})\}")
_POWER_OF_TEN = re.compile(r" ?(?:\\times|\\cdot|\*) ?10 ?\^ ?(?:\{ ?([-+]?\d{1,3}) ?\}|([-+]?\d{1,3}))(?!\d)")
_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


class Number(NamedTuple):
    """An exact value with what was written around it. `decimals` counts digits after the point; None: a fraction."""

    value: Fraction
    percent: bool
    currency: str
    unit: str
    decimals: int | None


@lru_cache(1024)
def read(text: str) -> Number | None:
    """One number in a plain text: 1,234.50 · $18 · 3/4 · 1 1/2 · \\frac{3}{4} · 6.02\\times10^{23} · 50 % · 12 eggs."""
    if len(text) > MAX_EXPRESSION:
        return None
    text = _REPEATING.sub(_as_fraction, _spelt_out(text))
    found = _VALUE.fullmatch(_FRACTION.sub(_slash, _POWER_OF_TEN.sub(r"e\1\2", text)))
    if found is None:
        return None
    rest = found["rest"].strip()
    percent = re.match(r"%|per ?cent(?:age)?\b", rest)
    unit = _unit(found["rest"] if not percent else rest[percent.end() :])
    under = Fraction(found["under"] or 1)
    if unit is None or not under:
        return None
    digits = re.sub(r"[, ]", "", found["digits"]).rstrip(".")
    value = Fraction(digits) * Fraction(10) ** int(found["exponent"] or 0) / under + int(found["whole"] or 0)
    if (found["sign"] == "-") != bool(found["inner"]):
        value = -value
    decimals = None if found["under"] else len(digits.partition(".")[2])
    currency = found["currency"] or (unit if unit in ("$", "€", "£") else "")
    return Number(value, bool(percent), currency, "" if unit == currency else unit, decimals)


_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(0|\d{4,}|\d+(?=,(?:\d\d|\d{4,})(?!\d))),(\d+)(?![\d,.])")


def with_point(text: str) -> str:
    """`2,74` -> `2.74`, but not `2,740`, which is two thousand, nor `2,7`, which may be two answers."""
    return _DECIMAL_COMMA.sub(r"\1.\2", text)


def same(gold: Number, given: Number) -> bool:
    """Equality by the conventions at the head of this module."""
    units = (gold.currency, given.currency), (gold.unit, given.unit)
    if any(ours and theirs and ours != theirs for ours, theirs in units):
        return False
    if gold.percent != given.percent:
        percent, bare = (gold, given) if gold.percent else (given, gold)
        return percent.value == bare.value * (100 if abs(bare.value) <= 1 else 1)
    return gold.value == given.value or _rounds(gold, given) or _rounds(given, gold)


def _rounds(exact: Number, decimal: Number) -> bool:
    if exact.decimals is not None or not decimal.decimals or decimal.decimals < 2 or not _endless(exact.value):
        return False
    scaled = decimal.value * 10**decimal.decimals
    return bool(abs(scaled) >= 100 and abs(exact.value * 10**decimal.decimals - scaled) * 2 <= 1)


def _endless(value: Fraction) -> bool:
    """Whether the decimal expansion goes on for ever: the denominator has a prime besides 2 and 5."""
    return bool(pow(10, value.denominator.bit_length(), value.denominator))


def _unit(rest: str) -> str | None:
    """The unit in one spelling, "" for none, None for words that are none: 5 million, 5x, 3 and 4."""
    words = rest.split()
    found = [_UNIT_WORD.fullmatch(word) for word in words]
    if not words or len(words) > 6 or not all(found) or SCALE.search(rest) or words[-1] in _GLUE:
        return None if words else ""
    if len(words[0]) == 1 and words[0].isalpha() and not rest.startswith(" "):
        return None  # 5m is a product, 5 m a length
    names = [(word[1], word[3] or "") for word in found if word]
    if not all(_is_unit(name) and (not per or _is_unit(per)) for name, per in names):
        return None
    return " ".join(_UNIT_NAMES.get(word.lower().removesuffix("s"), word.lower().removesuffix("s")) for word in words)


def _is_unit(word: str) -> bool:
    return word in _SHORT_UNITS or word in _GLUE or word in "$€£" or (len(word) >= 3 and word[1:].islower())


def off_unit(text: str) -> tuple[str, str]:
    """An expression and the unit after it."""
    words = text.split(" ")
    for start in range(max(1, len(words) - 4), len(words)):
        if words[start] not in _GLUE and (unit := _unit(" " + " ".join(words[start:]))):
            return " ".join(words[:start]), unit
    return text, ""


def _as_fraction(found: re.Match[str]) -> str:
    """`0.1\\overline{6}` -> `15/90`."""
    whole, fixed, repeated = found.groups()
    value = int(whole + fixed + repeated) - int(whole + fixed or 0)
    return f"{value}/{10 ** (len(fixed) + len(repeated)) - 10 ** len(fixed)}"


def _slash(found: re.Match[str]) -> str:
    before, over, under = found[1], found[2] or found[3], found[4] or found[5]
    return f"{before.strip()} {over}/{under}" if before.strip() else f"{before}{over}/{under}"


def _spelt_out(text: str) -> str:
    """`twenty-one eggs` -> `21 eggs`."""
    if not text[:1].isalpha():
        return text
    found = re.match(r"([A-Za-z]{3,9})(?:[- ]([a-z]{3,5}))?(?![A-Za-z-])", text)
    first, second = (found[1].lower(), found[2]) if found else ("", None)
    if first in _SMALL and found:
        return f"{_SMALL.index(first)}{text[found.end(1) :]}"
    if first not in _TENS or not found:
        return text
    ones = _SMALL.index(second) if second in _SMALL[1:10] else 0
    return f"{20 + 10 * _TENS.index(first) + ones}{text[found.end(2 if ones else 1) :]}"
