"""What is written around a number: percent, currency and unit, which are one dimension and never equal across."""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from cotdistill.answers.unit_table import (
    CENTS,
    LENGTH,
    MASS,
    MONEY,
    OWN,
    SI,
    SI_NAMES,
    SPEED,
    SQUARE,
    TIME,
    US_VOLUME,
    VOLUME,
    WITH_PREFIX,
)


class Unit(NamedTuple):
    """`dimensions`: sorted (base, exponent) of physical units. `factor`: what one of it is in the base units. `money`:
    the currencies that a sign may mean, each after a space, or "". `cents`: whether it is a hundredth of them.
    `things`: stems of what is counted, in order; a plain word that is no known unit is a thing."""

    dimensions: tuple[tuple[str, int], ...] = ()
    factor: Fraction = Fraction(1)
    money: str = ""
    cents: bool = False
    things: tuple[str, ...] = ()
    percent: bool = False


NONE = Unit()

SIGNS = r"(?:US|A|C|CA|NZ|HK|S|R)?\$|[€£¥￥₹₽₩₺₫₴₦₱฿₪]|(?:Rs\.?|USD|EUR|GBP|INR|CHF|RMB|CNY|JPY)(?=[ \d])"
"""Currency signs that may stand before a number."""

_GLUE = frozenset(
    {
        "a",
        "an",
        "of",
        "the",
        "each",
        "to",
        "in",
        "total",
        "altogether",
        "about",
        "de",
        "von",
        "del",
        "más",
        "for",
        "on",
        "at",
        "by",
        "with",
        "from",
        "during",
        "after",
        "this",
        "that",
        "more",
    }
)
_TOKEN = re.compile(
    r"([A-Z]{0,2}\$|[€£¥￥₹₽₩₺₫₴₦₱฿₪]|[°Ω¢]|[^\W\d_]+(?:&[^\W\d_]+)?[.]?)"
    r"(?: ?(?:\^|\*\*) ?\{? ?(-?[1-9]) ?\}?|([23])(?![\d.]))?"
)
STOP = re.compile(
    r"\b(?:hundred|thousand|[mbtr]{1,2}illion|half|halves|thirds?|quarters?|fifths?|plus|minus|times(?! *$)|and|or|more"
    r"|less|fewer"
    r"|most|least|than|over|factorial|mod|base|remainder|not|no|if|is|are|was|sqrt|sin|cos|tan|log|exp|out|but|lakhs?"
    r"|crores?|und|nicht|et|ou|pas|plus|moins|y|o|e|ni|non|не|и|или|oder|mehr|weniger|entweder|больше|меньше|более|менее|чем)\b"
    r"|では|じゃ|ない|でなく|아니|아닙|아닌|이상|이하|미만|초과|以上|以下|以内|未満|未满|之间|之間|の間|或|または|또는|不|没",
    re.IGNORECASE,
)
"""Words that make another number of the number before them, or that say more than a unit does."""


@lru_cache(1024)
def read_unit(text: str) -> Unit | None:
    """The unit that a whole text is, `NONE` for an empty one, None where it is more than a unit: "km/h", "m s^{-1}",
    "square feet", "dollars per day", "red marbles in total"; not "million", "x", "and 4"."""
    text = text.strip().strip(".").strip()
    if not text:
        return NONE
    if len(text) > 100 or STOP.search(text) or text in ("squared", "cubed"):
        return None
    if text.startswith("%") or re.match(r"(?:per ?cent(?:age)?|pct)\b\.?", text, re.IGNORECASE):
        rest = read_unit(re.sub(r"^(?:%|per ?cent(?:age)?|pct\.?)", "", text, flags=re.IGNORECASE))
        if rest is None or rest.percent or (rest.dimensions and rest.dimensions != (("point", 1),)):
            return None
        return (
            Unit((("point", 1),))
            if rest.dimensions or rest.things == ("point",)
            else Unit(things=rest.things, percent=True)
        )
    text = text.replace("\\Omega", "Ω").replace("\\mu ", "µ").replace("\\degree", "°")
    text = re.sub(r"\bper ?centage points?\b", "pp", re.sub(r"\bbasis points?\b", "bps", text))
    text = re.sub(r"\\(?:cdot|times)(?![a-z])|·|⋅", " ", text).replace("degrees ", "degree ")
    return _parsed(text)


class _Token(NamedTuple):
    word: str
    known: Unit | None
    exponent: int
    under: bool
    raised: bool


def _tokens(text: str) -> Iterator[_Token | None]:
    """The words of a unit with their exponents; None, the last one, where a text is no unit."""
    place, power, under = 0, 1, False
    while place < len(text):
        if gap := _GAP.match(text, place):
            under, place = under or bool(gap["per"]), gap.end()
            continue
        found = _TOKEN.match(text, place)
        if found is None:
            yield None
            return
        word, place = found[1], found.end()
        if word.lower() in SQUARE and text[place:].strip():
            power = SQUARE[word.lower()]
            continue
        exponent = int(found[2] or found[3] or 1) * power
        if raised := _RAISED.match(text, place):
            exponent, place = 2 if raised[1] == "squared" else 3, raised.end()
        known = None if word == "in" and text[place:].strip() else _known(word)
        if known and known.dimensions == _DEGREE and (scale := _SCALE_OF_DEGREES.match(text, place)):
            known, place = _of(f"°{scale[1][0].upper()}"), scale.end()
        yield _Token(word, known, exponent, under, exponent != 1 or bool(found[2]))
        power = 1


def _parsed(text: str) -> Unit | None:
    dimensions: dict[str, int] = {}
    things: list[str] = []
    unit, tokens = NONE, list(_tokens(text))
    if not tokens:
        return None
    for token in tokens:
        if token is None:
            return None
        known, exponent = token.known, -token.exponent if token.under else token.exponent
        if known and known.money:
            if unit.money or exponent != 1:
                return None
            unit = unit._replace(money=known.money, cents=known.cents)
        elif known:
            for base, of in known.dimensions:
                dimensions[base] = dimensions.get(base, 0) + of * exponent
            unit = unit._replace(factor=unit.factor * known.factor**exponent)
        elif token.word.lower().rstrip("s.") == "unit":
            dimensions |= {"unit": exponent} if token.raised else {}
        else:
            if token.raised or not _is_thing(token.word):
                return None
            things += [] if token.word.lower() in _GLUE else [("/" if token.under else "") + _stem(token.word)]
    bases = tuple(sorted((base, of) for base, of in dimensions.items() if of))
    return unit._replace(dimensions=bases, things=tuple(things)) if len(things) <= 5 else None


def _of(base: str, factor: Fraction = Fraction(1), exponent: int = 1) -> Unit:
    return Unit(((base, exponent),), factor)


_GAP = re.compile(r"[ ()]*(?P<per>/|per )|[ ()]+")
_RAISED = re.compile(r" (squared|cubed)(?![A-Za-z])")
_DEGREE = (("°", 1),)
_SCALE_OF_DEGREES = re.compile(r" ?(C|F|Celsius|Fahrenheit|celsius|fahrenheit)(?![A-Za-z])")
_FOLDED = frozenset(
    {"KM", "CM", "MM", "KG", "LB", "LBS", "FT", "ML", "HR", "HRS", "Kg", "Km", "Cm", "Ml", "RS", "Rs", "KR"}
)


@lru_cache(1)
def _table() -> dict[str, Unit]:
    """Every spelling of every known unit."""
    table = {name: _of("m", Fraction(size)) for name, size in LENGTH.items()}
    table |= {name: _of("g", Fraction(size)) for name, size in MASS.items()}
    table |= {name: _of("s", Fraction(size)) for name, size in TIME.items()}
    table |= {name: _of("m", Fraction(size) / 1000, 3) for name, size in VOLUME.items()}
    table |= {name: _of("cup", Fraction(size)) for name, size in US_VOLUME.items()}
    table |= {name: Unit((("m", 1), ("s", -1)), Fraction(size)) for name, size in SPEED.items()}
    table |= {name: _of(base) for name, base in OWN.items()}
    for symbol, base in WITH_PREFIX.items():
        table |= {prefix + symbol: _of(base, size) for prefix, size in SI.items() if prefix + symbol not in table}
        table[symbol] = _of(base)
    for name in [name for name in table if len(name) > 3]:
        table |= {prefix + name: _prefixed(table[name], size) for prefix, size in SI_NAMES.items()}
    table |= {name: Unit(money=f" {currencies}") for name, currencies in MONEY.items()}
    return table | {name: Unit(money=f" {currencies}", cents=True) for name, currencies in CENTS.items()}


def _prefixed(unit: Unit, size: Fraction) -> Unit:
    return unit._replace(factor=unit.factor * size)


@lru_cache(4096)
def _known(word: str) -> Unit | None:
    """The unit that one word is. Short ones keep their case: `m` is no `M`."""
    bare, table = word.rstrip("."), _table()
    spellings = [word, bare]
    if len(bare) >= 3 or bare in _FOLDED or not bare.isalpha():
        spellings += [bare.lower(), _stem(bare)]
    return next((table[spelt] for spelt in spellings if spelt in table), None)


def _is_thing(word: str) -> bool:
    """A word that is counted: three letters or more, not all of them capitals; one character of a script without
    spaces."""
    if word.rstrip(".").lower() in _GLUE or any("぀" <= one <= "鿿" or "가" <= one <= "힣" for one in word):
        return True
    return len(word.rstrip(".")) >= 3 and word[1:].rstrip(".").islower()


def _stem(word: str) -> str:
    word = word.lower().rstrip(".")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word.removesuffix("s") if len(word) > 3 else word
