"""Sentences that say an answer in words without a verb before it: they repeat their question, or end in it unspaced."""

import re

from cotdistill.answers.announce import TAIL
from cotdistill.answers.folding import fold
from cotdistill.answers.hedges import DENIES, DOUBTS

DOUBT = re.compile(
    rf"{DENIES.pattern}|{DOUBTS.pattern}|\b(?:no|or|oder|ou|или|doubts?|unlikely|but|however|although"
    rf"|rather than|instead of"
    r"|supposed|used to|formerly|originally|no longer|until|previously|such as)\b",
    re.IGNORECASE,
)

_WORD = re.compile(r"[^\W_]+")


def echoes(sentence: str, wanted: str, asks: str, case_sensitive: bool) -> bool:
    """Whether a sentence puts the reference for the "which" or "who" of its question: "Which team scored first?" "The
    Bears scored first." """
    question_word = re.match(r"(?:\W*\w+,? ){0,3}?(?:which|who|whose|what|where)\b", asks, re.IGNORECASE)
    said = fold(sentence, case_sensitive)
    if not question_word or not wanted or not said.startswith(f"{wanted} ") or DOUBT.search(said[len(wanted) :]):
        return False
    rest = _WORD.findall(said[len(wanted) :].casefold())
    return len(rest) > 1 and set(rest) <= set(_WORD.findall(asks.casefold())) | {"the", "a", "an"}


_COPULA = "是为為叫は이가은는"
_DENIED_UNSPACED = re.compile("不|没|非|ない|ありません|아니|아닙|或|また|또는|吗|か$|可能|かも")


def ends_unspaced(sentence: str, wanted: str) -> bool:
    """法国的首都是巴黎。 and 日本の首都は東京です。 state their last word."""
    if not wanted or wanted.isascii() or _DENIED_UNSPACED.search(sentence.replace(wanted, "")):
        return False
    said = TAIL.sub("", sentence.rstrip("。.!！ ")).rstrip()
    before = said.removesuffix(wanted).rstrip()
    return before != said and before[-1:] in _COPULA and before != ""
