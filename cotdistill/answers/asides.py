"""What a sentence adds to its number: "6 more than last year", "in 4 days", "not 35"."""

import re

from cotdistill.answers.units import SIGNS

_REST = (
    r"(?:(?!(?:, (?:and|so|for|that is|i\.e\.|which makes|making|giving|hence|thus|but)| (?:means|gives|makes"
    r"|yields|equals))"
    r" [^=]*\d)[^=]){0,200}$"
)
"""The rest of a sentence, unless it goes on to what the number comes to."""
_ASIDE = re.compile(
    r"(?:^|\s+)\((?![^()]*\bor\b)[^()]{1,120}\)"
    r"|,? (?:which is |that is |that's )?\S{1,12} (?:more|fewer|less|older|younger|taller|shorter|longer|higher"
    r"|lower|bigger"
    rf"|smaller|greater|larger|cheaper) than\b{_REST}"
    r"|,? (?<! is )(?<! are )(?<! was )(?<! be )(?<! do )(?<! does )(?<! did )(?<! can )(?<! could )(?<! will )"
    rf"(?:not|rather than|instead of|unlike|compared (?:to|with)|as opposed to) {_REST}"
    rf"|,? (?:up|down) (?:from|by) {_REST}"
    rf"|(?<= more)(?: [a-z]+){{0,2}} to (?:have|reach|get|make|complete|finish|fill)\b{_REST}"
    rf"|(?<=\w) (?:after|before|by|when|while) (?:[a-z]+ly )?[a-z]+ing\b{_REST}"
    rf"| of (?:the|those|these|all|his|her|their|its) (?:original |total |other )?\d{_REST}",
)
"""What a sentence adds to its number: none of the numbers in it is the answer."""
_SPAN = re.compile(
    r" (?:in|over|after|within|during|for) (?:the |a |an |these |those |this |next |last |all |past ){0,2}\d+ "
    rf"(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|nights?)\b{_REST}"
)
_BOUGHT = re.compile(rf"(?<=\d) for (?:the |all |these |his |her |their )?\d+ [a-z]{_REST}")
_FREE_NUMBER = re.compile(r"(?<![\w.])(?<!\bthe )(?<!\bThe )(?<!\bthese )(?<!\bboth )(?<!\ball )[$€£(*-]{0,3}\d")
"""Not "the 2 trains", which are no answer."""

_REJECTED = re.compile(
    r"[,;]?[ ]\(?(?:since |as |because |while |and |but )?\$?[^\s$(),;]{1,20}\$? (?:is|are|was) (?:extraneous"
    r"|rejected|discarded)\)?"
)


def without_asides(sentence: str) -> str:
    """A sentence without what it adds, as long as that leaves a number."""
    main = sentence
    asides = () if "=" in sentence else (_ASIDE, _SPAN, *([_BOUGHT] if re.search(SIGNS, sentence) else []))
    for aside in asides:
        shorter = aside.sub("", main)
        if _FREE_NUMBER.search(shorter):
            main = shorter
    return main


def without_rejected(text: str) -> str:
    """A text without the other value that it rejects: "x = 4 (x = -1 is rejected)"."""
    return _REJECTED.sub("", text)
