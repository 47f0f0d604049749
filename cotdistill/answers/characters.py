"""Characters of all scripts in the spelling that the rules read: digits, full-width forms, superscripts, fractions."""

import re
import unicodedata
from functools import lru_cache

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_RAISED = re.compile(f"[{''.join(_SUPERSCRIPTS)}]{{1,20}}")
_LOWERED = re.compile("[₀-₉]{1,20}")
_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad\u2061\u2062\u2063"
_SPACES = "\u00a0\u202f\u2009\u200a\u2007\u2002\u2003\u2005\u2006\u2008\u3000"


_SIGNS = {"٫": ".", "٬": ",", "٪": "%", "\u2044": "/", "\u2236": ":", "￥": "¥", "\u2212": "-"}


@lru_cache(4096)
def _in_ascii(one: str) -> str:
    """A character as the rules read it: itself, where they have no other spelling for it."""
    if one in _INVISIBLE:
        return ""
    if one in _SPACES:
        return " "
    if "！" <= one <= "～":  # full-width ASCII
        return chr(ord(one) - 0xFEE0)
    return str(unicodedata.decimal(one)) if one.isdecimal() else _SIGNS.get(one, one)


def in_ascii(text: str) -> str:
    """Digits and punctuation of other scripts as ASCII, for a whole text: `１２` and `٢٦` -> `12` and `26`."""
    if text.isascii():
        return text
    return text.translate({ord(one): _in_ascii(one) for one in set(text) if not one.isascii()})


_KEPT_CONTROLS = "\n\t\u200c\u200d\u200e\u200f"
"""Ends of lines; joiners, without which Persian and emoji read otherwise; marks of the direction."""


def without_controls(text: str) -> str:
    """Without what has no shape of its own and may hide or move what stands beside it: control characters, overrides
    of the direction, tags, lone surrogates, private letters."""
    if text.isascii() and text.isprintable():
        return text
    unseen = {"Cc", "Cf", "Cs", "Co"}
    hidden = [one for one in set(text) if unicodedata.category(one) in unseen and one not in _KEPT_CONTROLS]
    return text.translate(dict.fromkeys(map(ord, hidden))) if hidden else text


def raised(text: str) -> str:
    """Superscripts, indices and fractions in one character as LaTeX: `10⁻³` -> `10^{-3}`, `x₁` -> `x_1`,
    `1¼` -> `1\\frac{1}{4}`."""
    text = _LOWERED.sub(_index, _RAISED.sub(_power, text))
    return "".join(map(_fraction, text)) if any("¼" <= one <= "↉" for one in text) else text


def _power(found: re.Match[str]) -> str:
    exponent = "".join(_SUPERSCRIPTS[one] for one in found[0])
    return f"^{exponent}" if len(exponent) == 1 else f"^{{{exponent}}}"


def _index(found: re.Match[str]) -> str:
    digits = "".join(chr(ord(one) - ord("₀") + ord("0")) for one in found[0])
    return f"_{digits}" if len(digits) == 1 else f"_{{{digits}}}"


@lru_cache(64)
def _fraction(one: str) -> str:
    if not ("¼" <= one <= "¾" or "⅐" <= one <= "⅞"):
        return one
    over, under = unicodedata.normalize("NFKC", one).split("\u2044")
    return f"\\frac{{{over}}}{{{under}}}"
