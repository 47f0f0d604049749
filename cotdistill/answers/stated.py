"""The one number or formula that a sentence states, unless it hedges."""

import re

from cotdistill.answers.hedges import HEDGE_AFTER, HEDGE_BEFORE
from cotdistill.answers.number_words import PHRASE as LEADING_WORD
from cotdistill.answers.numbers import read_number
from cotdistill.answers.prose import NUMBER
from cotdistill.answers.rounding import same
from cotdistill.answers.spelling import plain, words_of
from cotdistill.answers.units import STOP

_HEDGE = re.compile(r"\b(?:not|[a-z]{2,8}n't|no|nor|between|about|under)\b", re.IGNORECASE)
_REASON = re.compile(r"[;(]|, |\b(?:because|since|as|which|so)\b")


def stated(prose: str) -> str | None:
    """The one number or formula that a sentence states, unless it hedges: "18, which is 2 more than 16" -> 18, "72
    clips in 2 months" -> 72 clips. None where it could be another."""
    if not words_of(prose) or _FROM_THEN.match(prose.strip(" .").lower()):
        return None
    prose = _BEFORE_ANSWER.sub("", prose)
    first = _FIRST_FORMULA.match(prose)
    if first and not _MONEY.match(prose) and _is_rest(prose[first.end() :]):
        return next(group for group in first.groups() if group is not None).strip()
    if first_quantity := _first_quantity(prose):
        rest = prose[len(first_quantity) :]
        return first_quantity if _is_rest(rest) and not _says_another(first_quantity, rest) else None
    formulas = (
        []
        if _MONEY.match(prose)
        else [one or other for one, other in re.findall(r"\$([^$]{1,200})\$|\\\((.{1,200}?)\\\)", prose)]
    )
    if len(formulas) == 1 and not NUMBER.search(prose.replace(formulas[0], "")) and not _HEDGE.search(prose):
        return str(formulas[0]).strip()
    head = _REASON.split(prose)[0] if prose[:1].isdigit() else prose
    said = _ORDINAL.sub("", head.rpartition("=")[2])
    numbers = {found[0].strip() for found in NUMBER.finditer(said)}
    doubtful = _HEDGE.search(head) or STOP.search(_COPULA.split(said)[-1]) or HEDGE_BEFORE.search(_before(said))
    if len(numbers) != 1 or doubtful:
        return None
    number = numbers.pop()
    return None if said.rpartition(number)[2].startswith(("!", "^")) else number


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


_FROM_THEN = re.compile(r"^(?:in )?(?:after|before|since|until|by|from) (?:[A-Z][a-z]+ )?(?:1\d|20)\d\d$")
"""A time that a year bounds: "After 1969"."""
_MONEY = re.compile(r"\$[\d.,]+ [a-z]{2,} [a-z]")
"""A dollar sign that begins no formula: "$70 per month, i.e. $210"."""
_FIRST_FORMULA = re.compile(r"\$([^$\n]{1,200})\$|\\\(([^\n]{1,200}?)\\\)")
_COPULA = re.compile(r" (?:is|are|was|were) ")
_OTHER_NUMBER = re.compile(
    r"(?: (?:[^\W\d_][\w'-]*|\([a-z]\))){0,4},? ?"
    r"(?:and|or|to|und|oder|et|ou|plus|minus|less|times|remainder|out of|[-–:,;x×+*/^]|\\(?:times|cdot)),? ?"
    r"(?:or |and |no |not )?[$€£(]?\d"
    r"|(?: [^\W\d_][\w'-]*){0,2},? (?:or|and) (?:an?|one|two|three|four|five|six|seven|eight|nine|ten|some|more)\b"
    r"| (?:squared|cubed|factorial)\b| (?:more|less|fewer) than\b| of \$?\d|[!^]"
)
_BUT = re.compile(r"[^.\d]{0,40}\bbut\b[^.]{0,60}\d", re.IGNORECASE)
_OPERAND = re.compile(
    r"[$€£(-]{0,3}[\d.,/%]+ (?:to|times|till|until|through|by|per|versus|vs\.?|bis|à) [$€£(-]{0,3}\d", re.I
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
        if "(" not in chunk and not chunk.endswith((" of", " to", " for", " by")) and read_number(plain(chunk)):
            return chunk
    return None


def _is_rest(rest: str) -> bool:
    """Whether what follows a number leaves it the one that is stated."""
    return not (HEDGE_AFTER.match(rest) or _OTHER_NUMBER.match(rest) or _BUT.match(rest))


_AGAIN = re.compile(
    r"[,;:] ?(?:i\.e\.|that is|that makes|which (?:is|makes|equals|gives|comes to)|making|for a total of|so"
    r"|hence|or|donc|also|luego|entonces)[,:.…]* "
    r"((?:[^,;]|,(?=\d{3})){1,40})$"
)


def _says_another(first: str, rest: str) -> bool:
    """Whether a sentence goes on to what its first number comes to: "$70 a month for 3 months, i.e. $210"."""
    again = _AGAIN.search(rest.rstrip(" ."))
    number, other = read_number(plain(first)), read_number(plain(again[1])) if again else None
    return bool(number and other and not same(number, other) and not same(other, number))


def _before(said: str) -> str:
    number = NUMBER.search(said)
    return said[: number.start()][-60:] if number else ""
