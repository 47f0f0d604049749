"""Answers that are no value: nothing, what does not exist, what is undefined, what there are infinitely many of."""

import re
from functools import lru_cache

_SUBJECT = re.compile(
    r"^(?:so |thus |therefore,? |hence,? )?(?:the|this|that|its?) (?:(?:given|final) )?"
    r"(?:limit|expression|integral|sum|series|value|answer|derivative|function|equation|system|quotient|slope"
    r"|inverse)"
    r"(?: of [^.]{1,40}?)? (?=is |does |has )(?:is (?=undefined|not defined|infinite)|has (?=no|infinitely))?",
    re.IGNORECASE,
)
_KINDS = {
    "nothing": r"\\emptyset|\\?\{ ?\\?\}|\\phi|(?:the )?empty set|none|∅"
    r"|(?:there (?:is|are|exist) )?no (?:such )?(?:(?:real|integer|valid|possible) )?"
    r"(?:solutions?|values?|roots?|x|numbers?|answers?)(?: exists?)?",
    "does not exist": r"does not exist|doesn't exist|d\.?n\.?e\.?|(?:there is )?no limit|(?:limit )?does not exist",
    "undefined": r"(?:is )?(?:undefined|not defined|indeterminate)",
    "infinitely many": r"(?:there are )?(?:infinitely many|an infinite number of|infinite)(?: (?:real )?(?:solutions?"
    r"|values?"
    r"|roots?|answers?|such numbers?))|infinitely many",
    "infinity": r"\\infty|(?:is )?infinit(?:e|y)|\+ ?\\infty|∞",
}
_PATTERNS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _KINDS.items()}


@lru_cache(1024)
def special(text: str) -> str | None:
    """Which of these a whole text, as `plain` spells it, says: "The limit does not exist", `DNE`, `\\emptyset`."""
    if len(text) > 120 or not text:
        return None
    text = _SUBJECT.sub("", text.strip(" .!"), count=1).strip()
    return next((name for name, pattern in _PATTERNS.items() if pattern.fullmatch(text)), None)


def is_empty(text: str) -> bool:
    """Whether a text says that there is nothing: `\\emptyset`, `\\{\\}`, "no solution"."""
    return special(text) == "nothing"
