"""Read a short text as one exact number: what the fast tier of `math` can decide without algebra."""

import re
from fractions import Fraction
from typing import NamedTuple

_DRESSING = re.compile(r"\\(?:text|mathrm|textbf|mathbf|operatorname)\s*\{([^{}]*)\}")
_SPACES = re.compile(r"(?<!\\)\\[,!;: ]|~|\\(?:left|right|displaystyle)(?![A-Za-z])|[\s\u00a0\u202f]+")
_FRACTION = re.compile(r"([-+]?)\\[dt]?frac\{([^{}]+)\}\{([^{}]+)\}|([-+]?)\\[dt]?frac(\d)(\d)")
_VALUE = re.compile(
    r"(?P<sign>[-+]?)(?P<currency>[$€£¥]?)(?P<sign2>[-+]?)"
    r"(?P<number>\d{1,3}(?:[, ]\d{3})+(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+)(?P<exponent>[eE][-+]?\d{1,3})?"
    r"(?:/(?P<under>\d+(?:\.\d+)?))?"
    r" ?(?P<percent>%|percent)?(?P<unit>(?: ?[A-Za-z°][A-Za-z°²³/^\d.]{0,30}){0,4})"
)
_TIMES_TEN = re.compile(r"(?:\\times|\\cdot|×|·|\*) ?10 ?\^ ?\{? ?([-+]?\d{1,3}) ?\}?")

MAX_DIGITS = 400
"""A longer number is not read exactly; texts this long are compared as texts."""


class Number(NamedTuple):
    """An exact value. `decimals` is the count of digits after the point of a decimal, None for a fraction."""

    value: Fraction
    percent: bool
    unit: str
    decimals: int | None


def plain(text: str) -> str:
    """Without the dressing that says nothing: `$…$`, \\text{…}, thin spaces, bold stars, a final point."""
    text = text.replace("−", "-").replace("\\$", "$").replace("\\%", "%").replace("{,}", ",")
    text = re.sub(r"\\!(?=,)|(?<=,)\\!", "", text)
    text = re.sub(r"(?<=\d)\\,(?=\d{3})", ",", text)
    text = _DRESSING.sub(r" \1", text)
    text = _SPACES.sub(" ", text).strip()
    text = text.removeprefix("\\(").removesuffix("\\)").strip("*` ")
    if len(text) > 1 and text[0] == text[-1] == "$":
        text = text[1:-1].strip()
    text = text.rstrip("$") if text.count("$") == 1 and text.endswith("$") else text
    return text.strip().rstrip(".,;").strip()


def read(text: str) -> Number | None:
    """One number with what may stand around it, or None: 1,234.50 · $18 · 3/4 · \\frac{3}{4} · 50 % · 12 apples."""
    text = plain(text)
    if len(text) > MAX_DIGITS:
        return None
    text = _TIMES_TEN.sub(lambda match: f"e{int(match[1])}", text).replace(" e", "e")
    text = _FRACTION.sub(_as_slash, text)
    match = _VALUE.fullmatch(text)
    if match is None:
        return None
    digits = re.sub(r"[, ]", "", match["number"]).rstrip(".")
    value = Fraction(digits) * Fraction(10) ** int((match["exponent"] or "e0")[1:])
    if match["under"]:
        if not Fraction(match["under"]):
            return None
        value /= Fraction(match["under"])
    if "-" in (match["sign"], match["sign2"]):
        value = -value
    decimals = None if match["under"] else len(digits.partition(".")[2])
    return Number(value, bool(match["percent"]), " ".join(match["unit"].split()).lower(), decimals)


def _as_slash(match: re.Match[str]) -> str:
    sign, over, under = (match[1], match[2], match[3]) if match[2] else (match[4], match[5], match[6])
    return f"{sign}{over.strip()}/{under.strip()}"


def same(reference: Number, answer: Number) -> bool:
    """Equality of values, with three allowances that people make and none beyond:

    a missing unit is no difference, a different one is; `50 %` answers both 50 and 0.5, `500 %` does not answer 5;
    a decimal of at least three significant digits answers a fraction that has no end (0.333 for 1/3), and the
    other way round.
    """
    if reference.unit and answer.unit and reference.unit.rstrip("s") != answer.unit.rstrip("s"):
        return False
    if reference.value == answer.value:
        return True
    if answer.percent and not reference.percent and abs(reference.value) <= 1:
        return answer.value / 100 == reference.value
    if reference.percent and not answer.percent and abs(answer.value) <= 1:
        return reference.value / 100 == answer.value
    return reference.percent == answer.percent and (_rounds(reference, answer) or _rounds(answer, reference))


def _rounds(exact: Number, decimal: Number) -> bool:
    """Whether `decimal` is the endless fraction `exact`, rounded to its own digits."""
    if decimal.decimals is None or exact.decimals is not None or not _endless(exact.value):
        return False
    significant = len(str(abs(decimal.value.numerator * 10**decimal.decimals // decimal.value.denominator)))
    return significant >= 3 and abs(exact.value - decimal.value) * 10**decimal.decimals * 2 <= 1


def _endless(value: Fraction) -> bool:
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest > 1
