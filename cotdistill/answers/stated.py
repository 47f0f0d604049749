"""The one number or formula that a sentence states, unless it hedges."""

import re

from cotdistill.answers.hedges import HEDGE_AFTER, HEDGE_BEFORE
from cotdistill.answers.number_words import PHRASE as LEADING_WORD
from cotdistill.answers.numbers import read
from cotdistill.answers.prose import NUMBER
from cotdistill.answers.spelling import plain
from cotdistill.answers.units import STOP

_HEDGE = re.compile(r"\b(?:not|[a-z]{2,8}n't|no|nor|between|about|under)\b", re.IGNORECASE)
_REASON = re.compile(r"[;(]|, |\b(?:because|since|as|which|so)\b")


def stated(prose: str) -> str | None:
    """The one number or formula that a sentence states, unless it hedges: "18, which is 2 more than 16" -> 18, "72
    clips in 2 months" -> 72 clips. None where it could be another."""
    prose = _BEFORE_ANSWER.sub("", prose)
    if (first := _FIRST_FORMULA.match(prose)) and _is_rest(prose[first.end() :]):
        return next(group for group in first.groups() if group is not None).strip()
    if first_quantity := _first_quantity(prose):
        return first_quantity if _is_rest(prose[len(first_quantity) :]) else None
    formulas = [one or other for one, other in re.findall(r"\$([^$]{1,200})\$|\\\((.{1,200}?)\\\)", prose)]
    if len(formulas) == 1 and not NUMBER.search(prose.replace(formulas[0], "")) and not _HEDGE.search(prose):
        return str(formulas[0]).strip()
    head = _REASON.split(prose)[0] if prose[:1].isdigit() else prose
    said = _ORDINAL.sub("", head.rpartition("=")[2])
    numbers = {found[0].strip() for found in NUMBER.finditer(said)}
    doubtful = _HEDGE.search(head) or STOP.search(_COPULA.split(said)[-1]) or HEDGE_BEFORE.search(_before(said))
    return numbers.pop() if len(numbers) == 1 and not doubtful else None


_CALLED = r"^(?:the )?(?:final |correct )?answer (?:is|was)\b:? ?"
_ABOUT = (
    r"(?:(?:most )?(?:likely|probably)|definitely|certainly|precisely"
    r"|about|approximately|approx\.?|roughly"
    r"|around|exactly|ca\.?|circa|etwa|rund|ungefähr|environ|approximativement"
    r"|aproximadamente|cerca de) +"
)
_BEFORE_ANSWER = re.compile(rf"{_CALLED}|^{_ABOUT}", re.I)
_NEAR = re.compile(rf"(?:{_CALLED})?\b{_ABOUT}(?=[^\w\s\\]{{0,3}} ?(?:[A-Z]{{1,3}}\$)?(?:\d|\\(?!text)))", re.I)


def without_about(text: str) -> str:
    """`ca. 187,5` -> `187,5`, as `plain` spells it: a number that is said to be near is the one that is asked for."""
    near = _NEAR.match(text)
    return plain(text[near.end() :]) if near else text


_FIRST_FORMULA = re.compile(r"\$([^$\n]{1,200})\$|\\\(([^\n]{1,200}?)\\\)")
_COPULA = re.compile(r" (?:is|are|was|were) ")
_OTHER_NUMBER = re.compile(
    r"(?: [^\W\d_][\w'-]*){0,3},? ?"
    r"(?:and|or|to|und|oder|et|ou|plus|minus|less|times|remainder|out of|[-–:,;x×+*/^]|\\(?:times|cdot)),? ?"
    r"(?:or |and )?[$€£(]?\d"
    r"|(?: [^\W\d_][\w'-]*){0,2},? (?:or|and) (?:an?|one|two|three|four|five|six|seven|eight|nine|ten|some|more)\b"
    r"| (?:more|less|fewer) than\b| of \$?\d|[!^]"
)
_BUT = re.compile(r"[^.\d]{0,40}\bbut\b[^.]{0,60}\d", re.IGNORECASE)
_OPERAND = re.compile(
    r"[$€£(-]{0,3}[\d.,/]+ (?:to|times|till|until|through|by|per|versus|vs\.?|bis|à) [$€£(-]{0,3}\d", re.I
)
_ORDINAL = re.compile(r"\b\d{1,4}(?:st|nd|rd|th)\b")


def _first_quantity(prose: str) -> str | None:
    """The quantity at the head of a sentence with as many words of its unit as can be read, of which `to` in
    "5 to 7" and `times` in "5 times 2" are none."""
    if not (prose[:1].isdigit() or prose[:1] in "$€£¥₹-(." or LEADING_WORD.match(prose)) or _OPERAND.match(prose):
        return None
    ends = [found.end() for found in re.finditer(r"\S+", prose[:200])][:8]
    for end in reversed(ends):
        chunk = prose[:end].rstrip(",;:")
        if "(" not in chunk and read(plain(chunk)):
            return chunk
    return None


def _is_rest(rest: str) -> bool:
    """Whether what follows a number leaves it the one that is stated."""
    return not (HEDGE_AFTER.match(rest) or _OTHER_NUMBER.match(rest) or _BUT.match(rest))


def _before(said: str) -> str:
    number = NUMBER.search(said)
    return said[: number.start()][-60:] if number else ""
