"""Numbers as people and models write them, read exactly, with their units."""

import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from cotdistill.answers import number_words
from cotdistill.answers.symbolic import MAX_EXPRESSION
from cotdistill.answers.unit_ratio import merged, ratio
from cotdistill.answers.units import NONE, SIGNS, Unit, read_unit

GROUPED = (
    r"(?:(?!0,)\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?"  # 1,234.5
    r"|[1-9]\d?(?:,\d\d)+,\d{3}(?![\d,])(?:\.\d+)?"  # 12,34,567
    r"|[1-9]\d{0,2}(?:\.\d{3})+,\d+(?![\d,])|[1-9]\d{0,2}(?:\.\d{3}){2,}(?![\d.])"  # 1.234,5 and 1.234.567
    r"|[1-9]\d{0,2}(?:['’_]\d{3})+(?![\d'’_])(?:\.\d+)?"  # 1'234.5 and 1_234
    r"|\d{1,3}(?: \d{3})+(?![\d/])(?:[.,]\d+)?)"  # 1 234,5
)
"""Digits in groups, in the ways of many countries, where no other number can be meant."""

_SCALES = {
    "hundred": 100, "gross": 144, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "dozen": 12,
    "lakh": 10**5, "lac": 10**5, "crore": 10**7, "mio": 10**6, "mill": 10**6, "mrd": 10**9, "bn": 10**9,
    "mn": 10**6, "tsd": 10**3, "tausend": 10**3, "millionen": 10**6, "milliarde": 10**9,
    "milliarden": 10**9, "millón": 10**6, "millones": 10**6, "milione": 10**6, "milioni": 10**6,
    "milhão": 10**6, "milhões": 10**6, "mil": 10**3, "mille": 10**3, "milliard": 10**9, "тыс": 10**3,
    "тысяч": 10**3, "тысячи": 10**3, "тысяча": 10**3, "млн": 10**6, "миллион": 10**6, "миллиона": 10**6,
    "миллионов": 10**6, "млрд": 10**9, "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8, "만": 10**4,
    "억": 10**8, "千": 10**3, "百万": 10**6,
}  # fmt: skip
_ATTACHED = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9, "bn": 10**9, "m": 10**6, "b": 10**9}
_SCALE_WORDS = "|".join(sorted(_SCALES, key=len, reverse=True))
_VALUE = re.compile(
    rf"(?P<sign>[-+]?) ?(?P<money>{SIGNS})? ?(?P<inner>-?)"
    r"(?:(?P<whole>\d{1,4}) (?=\d+ ?/ ?\d+(?![\d.])))?"
    rf"(?P<digits>{GROUPED}|\d+(?:\.\d*)?|\.\d+)"
    r"(?:[eE](?P<exponent>[-+]?\d{1,3})(?![\d.]))?(?: ?/ ?(?P<under>\d+(?:\.\d+)?))?"
    r"(?P<ordinal>(?: ?(?:st|nd|rd|th)|\^\{? ?(?:st|nd|rd|th) ?\}?)(?![A-Za-z]))?"
    rf"(?:(?: |(?=[^\x00-\x7f]))(?P<scale>(?i:{_SCALE_WORDS}))s?\.?(?![^\W\d_a-zA-Z])(?![a-zA-Z])"
    r"|(?P<attached>bn|[kKMBmb])(?![^\W_])|(?P<mixed>mio|Mio|mn|Mrd|mrd)\.?(?![^\W_]))?"
    r"(?P<rest>(?: ?[^\d\s.,:;!?=+*(){}\[\]<>^\\|&#@'’_~-].*)?)",
    re.DOTALL,
)
_FRACTION = re.compile(r"(\d? ?)\\frac ?(?:\{ ?(\d[\d.,]*) ?\}|(\d)) ?(?:\{ ?(\d[\d.]*) ?\}|(\d))(?! ?[\d.({\\^!_])")
_REPEATING = re.compile(r"(\d*)\.(\d*)\\(?:overline|bar|dot) ?\{(\d{1,12})\}")
_POWER_OF_TEN = re.compile(
    r" ?(?:\\times|\\cdot|\*|(?<=\d)[xX]|(?<=\d )[xX]) ?10 ?\^ ?(?:\{ ?([-+]?\d{1,3}) ?\}|\(([-+]?\d{1,3})\)"
    r"|([-+]?\d{1,3}))(?!\d)"
)
_BARE_POWER_OF_TEN = re.compile(
    r"(-? ?)10 ?\^ ?(?:\{ ?([-+]?\d{1,3}) ?\}|\(([-+]?\d{1,3})\)|([-+]?\d{1,3}))(?= ?[^\W\d_])"
)
"""`10^{3}` before a unit."""
_HYPHENED = re.compile(r"^(\d[\d.,]{0,12})-([a-z]{3,})(?![\w-])")
"""`44-yard`."""
_THE_PLACE = re.compile(r"^the (?=\d{1,6}(?:st|nd|rd|th)\b)", re.IGNORECASE)
_AND_A_PART = re.compile(r"(\d{1,4}) and (?=\d+ ?/ ?\d+)")
_AND_A_HALF = re.compile(r"(\d{1,6}) and (an? half|a quarter|a third|three[ -]quarters|two[ -]thirds)(?![A-Za-z])")
_NOTE = re.compile(r" ?\(([^()\d]{1,60})\)\.?$")
_AMOUNT = r"(\d{1,6}(?:\.\d{1,6})?) ?([A-Za-z]{1,12})\.?"
_AND = r",?(?: (?:and|und|et|y|e))? ?"
_COMPOUND = re.compile(rf"(-?)\$?{_AMOUNT}{_AND}{_AMOUNT}(?:{_AND}{_AMOUNT})?")
_CLOCK_HOURS = re.compile(r"(\d{1,3}):([0-5]\d) ?(?:hours?|hrs?|h)\.?")
_BASED = re.compile(r"0[xX][0-9A-Fa-f]{1,16}|0[bB][01]{1,64}")
SIMPLE = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?")


class Number(NamedTuple):
    """An exact value and its unit. `decimals` counts digits after the point, None: a fraction; `digits` all of them.
    `ordinal`: it is a place, as 3rd is."""

    value: Fraction
    unit: Unit
    decimals: int | None
    digits: int = 0
    ordinal: bool = False


@lru_cache(4096)
def read_number(text: str) -> Number | None:
    """One number in a plain text: 1,234.50 · $18 · 3/4 · 1 1/2 · \\frac{3}{4} · 6.02\\times10^{23} · 50 % · 12 eggs ·
    2.5 million · two hundred five · 2 hours and 30 minutes."""
    if SIMPLE.fullmatch(text):
        return _number(text, Fraction(text), NONE, None)
    if len(text) > MAX_EXPRESSION or not text:
        return None
    if _BASED.fullmatch(text):
        return Number(Fraction(int(text, 0)), NONE, None)
    if clock := _CLOCK_HOURS.fullmatch(text):
        text = f"{clock[1]} h {clock[2]} min"
    text = _HYPHENED.sub(r"\1 \2", _in_digits(text))
    if note := _NOTE.search(text):
        unit = read_unit(note[1])
        text = text[: note.start()] + (f" {note[1]}" if unit and unit.dimensions else "")
    if repeating := _REPEATING.match(text):
        text = _as_fraction(repeating) + text[repeating.end() :]
    text = _FRACTION.sub(_slash, _POWER_OF_TEN.sub(r"e\1\2\3", text))
    if power := _BARE_POWER_OF_TEN.match(text):
        text = power.expand(r"\g<1>1e\2\3\4") + text[power.end() :]
    text = _AND_A_PART.sub(r"\1 ", text)
    found = _VALUE.fullmatch(text)
    number = _of(found) if found else None
    return number or _compound(text)


def _of(found: re.Match[str]) -> Number | None:
    after = read_unit(_unit_text(found["rest"]))
    before = read_unit(found["money"] or "")
    unit = merged(before, after) if before and after else None
    under = Fraction(found["under"] or 1)
    if unit is None or not under or (found["attached"] in ("m", "b") and not unit.money):
        return None
    digits = ungrouped(found["digits"])
    scale = _scale(found)
    value = (Fraction(digits) * Fraction(10) ** int(found["exponent"] or 0) / under + int(found["whole"] or 0)) * scale
    if (found["sign"] == "-") != bool(found["inner"]):
        value = -value
    plain = found["under"] is None and scale == 1
    number = _number(digits, value, unit, None if plain else found["under"] or "1")
    return number._replace(ordinal=True) if found["ordinal"] else number


def _number(digits: str, value: Fraction, unit: Unit, under: str | None) -> Number:
    significant = len(digits.replace("-", "").replace(".", "").lstrip("0"))
    decimals = len(digits.partition(".")[2]) if under is None else None
    return Number(value, unit, decimals, significant)


def _unit_text(rest: str) -> str:
    """A letter that stands right behind the digits is a factor, not a unit: 5m is a product, 5 m a length."""
    bare = rest.strip()
    return "?" if bare[:1].isascii() and bare.isalpha() and len(bare) == 1 and not rest.startswith(" ") else rest


def _scale(found: re.Match[str]) -> int:
    if found["attached"]:
        return _ATTACHED[found["attached"]]
    word = (found["scale"] or found["mixed"] or "").lower()
    return _SCALES[word] if word else 1


def ungrouped(digits: str) -> str:
    """`1,234.50` · `1.234,5` · `1 234,5` · `12,34,567` -> digits and a point."""
    if digits.isdecimal():
        return digits
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma > point and (point >= 0 or " " in digits):  # 1.234,5 and 1 234,5
        digits = f"{digits[:comma].replace('.', '')}.{digits[comma + 1 :]}"
    elif digits.count(".") > 1:
        digits = digits.replace(".", "")
    return re.sub(r"[,'’_ ]", "", digits).rstrip(".")


def _compound(text: str) -> Number | None:
    """6 feet 3 inches · 2 hours and 30 minutes · 5 dollars and 30 cents: one quantity in falling units."""
    found = _COMPOUND.fullmatch(text)
    if found is None:
        return None
    return _in_falling_units(found, _short_unit) or _in_falling_units(found, read_unit)


def _in_falling_units(found: re.Match[str], unit_of: Callable[[str], Unit | None]) -> Number | None:
    parts = [(Fraction(found[place]), unit_of(found[place + 1])) for place in (2, 4, 6) if found[place]]
    first = parts[0][1]
    if first is None or not (first.dimensions or first.money):
        return None
    total, last = Fraction(0), None
    for value, unit in parts:
        scale = ratio(first, unit) if unit and (unit.dimensions or unit.money) else None
        if scale is None or (last is not None and scale >= last):
            return None
        total, last = total + value * scale, scale
    return Number(-total if found[1] else total, first, None)


def _short_unit(word: str) -> Unit | None:
    return read_unit({"m": "min"}.get(word, word)) if word in ("h", "m", "s") else read_unit(word)


_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(0|\d{4,}|\d+(?=,(?:\d\d|\d{4,})(?!\d))),(\d+)(?![\d,.])")
_LOCAL_COMMA = re.compile(r"(?<![\d.,])(\d+|(?<!\S)),(\d{1,2}|\d{4,})(?![\d,.])")
_LOCAL_GROUPS = re.compile(r"(?<![\d.,])([1-9]\d{0,2}(?:\.\d{3})+)(?![\d,.])")


def with_point(text: str) -> str:
    """`2,74` -> `2.74`, but not `2,740`, which is two thousand, nor `2,7`, which may be two answers."""
    return _DECIMAL_COMMA.sub(r"\1.\2", text)


def from_local(text: str) -> str:
    """Numbers in a language with a decimal comma: `3,5` -> `3.5`, `1.200` -> `1200`; `1,200` stays, for people write
    both there. Not within brackets, where a comma separates the ends of an interval."""
    if any(bracket in text for bracket in "([{"):
        return text
    return _LOCAL_GROUPS.sub(lambda found: found[1].replace(".", ""), _LOCAL_COMMA.sub(r"\1.\2", text))


_NO_HEAD = frozenset({"", "a", "an", "of", "the", "per", "to"})


def off_unit(text: str) -> tuple[str, Unit]:
    """An expression and the unit after it."""
    words = text.split(" ")
    for start in range(max(1, len(words) - 4), len(words)):
        letter_after_letter = len(words[start]) == 1 and words[start - 1][-1:].isalpha()
        half_bracket = text[len(" ".join(words[:start])) :].count("(") != text[len(" ".join(words[:start])) :].count(
            ")"
        )
        if words[start] in _NO_HEAD or letter_after_letter or half_bracket:
            continue
        if (unit := read_unit(" ".join(words[start:]))) is not None:
            return " ".join(words[:start]), unit
    return text, NONE


def _as_fraction(found: re.Match[str]) -> str:
    """`0.1\\overline{6}` -> `15/90`."""
    whole, fixed, repeated = found.groups()
    value = int(whole + fixed + repeated) - int(whole + fixed or 0)
    return f"{value}/{10 ** (len(fixed) + len(repeated)) - 10 ** len(fixed)}"


def _slash(found: re.Match[str]) -> str:
    before, over, under = found[1], found[2] or found[3], found[4] or found[5]
    return f"{before.strip()} {over}/{under}" if before.strip() else f"{before}{over}/{under}"


def _in_digits(text: str) -> str:
    """`twenty-one eggs` -> `21 eggs`, `十二个` -> `12个`, `3 and a half` -> `3 1/2`."""
    if text[0].isalpha():
        text = _THE_PLACE.sub("", text)
        if chinese := number_words.CHINESE.match(text):
            value, end = number_words.chinese(chinese[0]), chinese.end()
            return f"{value}{text[end:]}" if value is not None else text
        if ordinal := number_words.ordinal(text):
            return f"{ordinal}th"
        if (abroad := number_words.ABROAD.get(text.lower().rstrip("."))) is not None:
            return str(abroad)
        if found := number_words.leading(text):
            rest = text[found[1] :]
            return f"{found[0]}{'' if not rest or rest.startswith((' ', ',', '.')) else ' '}{rest}"
    if half := _AND_A_HALF.match(text):
        part = number_words.value(half[2])
        return f"{half[1]} {part}{text[half.end() :]}" if part else text
    return text
