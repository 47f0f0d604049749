"""Ratios and ranges: `3:4`, "three to four", `10-15`, "between 10 and 15"."""

import re
from fractions import Fraction

from cotdistill.answers.number_words import CARDINAL_TO_CARDINAL, value

_RATIO = re.compile(r"\d{1,9}(?:\.\d{1,6})?(?: ?: ?\d{1,9}(?:\.\d{1,6})?){1,5}|\d{1,9}(?: to \d{1,9}){1,3}")
_FRACTION = re.compile(r"(\d{1,9}) ?/ ?(\d{1,9})|\\frac ?\{ ?(\d{1,9}) ?\} ?\{ ?(\d{1,9}) ?\}")
_CLOCK = re.compile(r"\d{1,2}:[0-5]\d(?::[0-5]\d)?")
_NOTE = re.compile(r" ?\([^()\d]{1,60}\)$")


def ratio_of(text: str) -> tuple[Fraction, ...] | None:
    """`6:8`, `3 to 4` and `\\frac{3}{4}` as (1, 4/3): the terms as shares of the first. A time of day is none."""
    text = _NOTE.sub("", text)
    if words := CARDINAL_TO_CARDINAL.fullmatch(text):
        text = f"{value(words[1])}:{value(words[2])}"
    if _CLOCK.fullmatch(text):
        return None
    if found := _FRACTION.fullmatch(text):
        terms = [Fraction(one) for one in found.groups() if one]
    elif _RATIO.fullmatch(text):
        terms = [Fraction(one.strip()) for one in re.split(r":| to ", text)]
    else:
        return None
    return tuple(term / terms[0] for term in terms) if all(terms) else None


_RANGE = re.compile(
    r"(?:from |between )?\$?(\d{1,12}(?:\.\d{1,6})?)(?: ?- ?| ?to "
    r"| ?and )\$?(\d{1,12}(?:\.\d{1,6})?)(?: ([A-Za-z]{3,20}))?"
)


def range_of(text: str) -> tuple[Fraction, Fraction, str] | None:
    """`10-15`, `10 to 15 years`, `between 10 and 15`: the lower and the greater number, and the unit or ""."""
    found = _RANGE.fullmatch(text)
    if found is None or (" and " in text and not text.startswith("between")):
        return None
    low, high = Fraction(found[1]), Fraction(found[2])
    unit = (found[3] or "").lower().removesuffix("s")
    return (low, high, unit) if low < high else None


def same_range(gold: tuple[Fraction, Fraction, str], given: tuple[Fraction, Fraction, str] | None) -> bool:
    """Whether two ranges have the same ends, and no other unit."""
    return given is not None and given[:2] == gold[:2] and ("" in (gold[2], given[2]) or gold[2] == given[2])


_REMAINDER = re.compile(r"(\d{1,12}) ?,? ?(?:R|r|rem\.?|remainder|with (?:a )?remainder(?: of)?) ?(\d{1,12})")


def remainder_of(text: str) -> tuple[int, int] | None:
    """`7 R 2` and "7 remainder 2": a quotient and what is left."""
    found = _REMAINDER.fullmatch(text)
    return (int(found[1]), int(found[2])) if found else None
