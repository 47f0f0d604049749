"""Whether the number that ends a text without an announcement is the one that its question asks for.

Worked solutions often end in "So she has 12 left.", not in "The answer is 12.", so such a number counts. But a text may
end elsewhere: at a step, "He sold 36.", at somebody else, "Ben has 20.", or at a difference, "20 more than Ben.". The
tables of answers/aspects.py say by which words.
"""

import re

from cotdistill.answers.aspects import (
    ASPECTS,
    BECAUSE,
    DEFINES,
    DIFFERENCE,
    PERCENT,
    RATE,
    SAYS_NOTHING,
    SHARE,
    STEPS,
    SUMS_UP,
    words,
)
from cotdistill.answers.characters import in_ascii
from cotdistill.answers.extract import Extracted
from cotdistill.answers.markup import as_seen
from cotdistill.answers.numbers import read_number
from cotdistill.answers.spelling import plain
from cotdistill.answers.unit_ratio import ratio
from cotdistill.answers.units import NONE, read_unit

_UNANNOUNCED = ("whole", "first_line", "equation", "last_formula", "last_number")
"""Rules that find a number which nothing announces."""

_NAME = re.compile(r"(?<![\w'’.])[A-Z][^\W\d_A-Z]{1,14}(?![\w])")
_OWNER = re.compile(
    r"\W*(?:(?i:so|thus|hence|therefore|then|now|and|but|also|donc|entonces),? )?(?P<name>[A-Z][^\W\d_A-Z]{1,14})"
    r"(?:(?P<holds> (?:has|have|had|is|was|will|gets?|got|owns?|needs?|makes?|made|earn(?:s|ed)?|scored|collected"
    r"|picked|read|hat|a|avait|tiene|tenía)\b)|['’]s? | )"
)
_ONE_PERSON = words("he|she|his|her")
_TOGETHER = words("they|both of them|the two|together|combined")
_ONE_OF_SEVERAL = re.compile(r"[A-Z]\w+,? (?:and|und|et|y) $")
_POSSESSOR = re.compile(r"(?P<name>[A-Z][^\W\d_A-Z]{1,14})['’]s [$*]*$")
_NO_NAME = frozenset(
    re.findall(
        r"\w+",
        """A An The This That These Those It He She They We You I There Here Each Every All Both One Nobody Who What
        Which How In On At If When While After Before Since Because So Thus Hence Therefore Then Now And But Also His
        Her Their Its My Our Your Total Er Sie Es Wir Das Der Die Il Elle Ils On Nous Le La Les Él Ella Ellos El Los
        Las Step Result Answer""",
    )
)
_SENTENCE = re.compile(
    r"(?<=[.!?])(?<!\b[MD][rs]\.)(?<!\bMrs\.)(?<!\bSt\.)[\"')*]{0,3}\s+(?=[A-Z\"'(*$\d\\])|\n|[。！？]"
)
_CLAUSE = re.compile(
    r"[;:]\s|, (?:and|but|so|which|while|whereas|then|und|et|y) |,\s|\s(?:and|but|while|whereas|und|et|y)\s(?=[A-Z])"
    r"|\s(?:and|but|while|whereas|so)\s(?=(?:he|she|they|it|we)\b)"
)
_ASKS_ANYTHING = frozenset(
    ("what", "the", "answer", "result", "value", "compute", "find", "solve", "evaluate", "question", "following")
)
"""Words of a question that asks for nothing in particular: "What is the answer?"."""
_ASKS_UNIT = re.compile(
    r"\bhow many (?:more |fewer |whole |full |total )?([a-z]+)|[( ]in ([a-z]+(?:(?:/| per )[a-z]+)?)[?)]", re.IGNORECASE
)


def asked(question: str) -> str:
    """The sentence of a question that asks: the last one with a question mark, else the last one."""
    sentences = [one for one in _SENTENCE.split(question.strip()[-4000:]) if one.strip()]
    return next((one for one in reversed(sentences) if "?" in one or "？" in one), sentences[-1] if sentences else "")


def what_else(question: str, reference: str, text: str, found: Extracted) -> str | None:
    """In words what the number is that was found in a text, where its question asks for another; else None."""
    said = read_number(plain(found.answer))
    if said and said.unit.percent and "%" not in reference and not _asks_for_share(question):
        return f"{found.answer[:60]} is a percentage, which neither the question nor the reference speaks of"
    if "\\begin{" in found.answer:  # a matrix: the words in it are LaTeX's
        return None
    if found.rule in _UNANNOUNCED:
        other = _something_else(question, in_ascii(as_seen(text)), found.answer)
        return (
            other and f"nothing announces {found.answer[:60]}, which is {other}: the question asks for another number"
        )
    if SHARE.search(found.answer) and not RATE.asks.search(asked(question)):
        return f"{found.answer[:60]} is {RATE.name}, which the question does not ask for"
    return None


def with_asked_unit(question: str, reference: str, said: str) -> str:
    """A bare reference with the unit of its question, where the answer has another of its kind: 7 weeks are no answer
    to "how many days", and 1 week is one where the reference is 7."""
    given, gold = read_number(said), read_number(reference)
    if given is None or gold is None or gold.unit != NONE or not (given.unit.dimensions or given.unit.money):
        return reference
    for name in {(one or other).lower() for one, other in _ASKS_UNIT.findall(asked(question))}:
        unit = read_unit(name)
        if unit and (unit.dimensions or unit.money) and (factor := ratio(unit, given.unit)) != 1:
            exponents = [[power for _, power in one.dimensions] for one in (unit, given.unit)]
            one_each = exponents == [[1], [1]]  # "40 hours a week" may be 40 hours
            return f"{reference} {name}" if one_each or factor else reference
    return reference


def _something_else(question: str, text: str, number: str) -> str | None:
    place = text.rfind(number)
    if place < 0 or not number:
        return None
    asks = asked(question)
    asks_anything = _asks_anything(asks)
    lead, before, behind = _clause(text, place, place + len(number))
    digits = re.search(r"\d[\d.,]*", number)
    behind = (number[digits.end() :] if digits else "") + behind
    parts = {"before": before, "behind": behind, "clause": f"{before} {behind}"}
    calculated = "=" in before + number
    for aspect in () if calculated else (DIFFERENCE,) if asks_anything else ASPECTS:
        if aspect.said.search(parts[aspect.where]) and not aspect.asks.search(before if asks_anything else asks):
            return aspect.name
    if asks_anything:
        return None
    if not calculated and not SUMS_UP.search(before):
        for happened, asks_for in STEPS:
            if happened.search(before) and not asks_for.search(asks):
                return "a step"
        if not SUMS_UP.search(lead) and not _speaks_of(asks, before, behind):
            return "of something that the question does not name"
    return None if _ONE_OF_SEVERAL.search(lead) else _somebody_else(question, asks, before, calculated)


def _speaks_of(asks: str, before: str, behind: str) -> bool:
    """Whether a clause says a word of the sentence that asks, or no word but those that any answer is given with. "The
    speed is" may be what "how fast" asks for."""
    if DEFINES.search(before):
        return True
    said = _subjects(_NAME.sub("", f"{BECAUSE.split(before)[0]} {BECAUSE.split(behind)[0]}"))
    wanted = _subjects(asks)
    return not said or not wanted or bool(said & wanted)


def _subjects(text: str) -> set[str]:
    """The beginnings of the words of a sentence that say what it is about: no units, no verbs of any number."""
    speaking = set(re.findall(r"[a-zà-ÿ]{4,}", text.lower())) - SAYS_NOTHING
    return {word[:4] for word in speaking if not ((unit := read_unit(word)) and unit.dimensions)}


def _asks_for_share(question: str) -> bool:
    asks = asked(question)
    return _asks_anything(asks) or bool(PERCENT.search(asks))


def _asks_anything(asks: str) -> bool:
    return not set(re.findall(r"[^\W\d_]{3,}", asks.lower())) - _ASKS_ANYTHING


def _somebody_else(question: str, asks: str, before: str, calculated: bool) -> str | None:
    """Whose the number is, where the question names somebody and the clause names another."""
    wanted = _names(asks[1:]) or (_names(question) if _ONE_PERSON.search(asks) else set())
    possessor, owner = _POSSESSOR.search(before), _OWNER.match(before)
    if wanted and possessor and possessor["name"] not in wanted | _NO_NAME:
        return f"{possessor['name']}'s"
    if wanted and owner and owner["name"] not in wanted | _NO_NAME and not _names(before) & wanted:
        return f"{owner['name']}'s" if owner["holds"] or owner["name"] in _names(question) else None
    if (
        owner
        and owner["holds"]
        and owner["name"] not in _NO_NAME
        and not wanted
        and not calculated
        and _TOGETHER.search(asks)
    ):
        return f"{owner['name']}'s"
    return None


def _names(text: str) -> set[str]:
    return set(_NAME.findall(text)) - _NO_NAME


def _clause(text: str, start: int, end: int) -> tuple[str, str, str]:
    """What stands before the clause of a part of a text in its sentence, and before and behind that part in it."""
    opens = [mark.end() for mark in _SENTENCE.finditer(text, max(0, start - 1000), start)]
    sentence = text[opens[-1] if opens else max(0, start - 1000) : start]
    closes = _SENTENCE.search(text, end, end + 400)
    behind = text[end : closes.start() if closes else end + 400]
    cuts = list(_CLAUSE.finditer(sentence))
    cut = _CLAUSE.search(behind)
    opens_at = cuts[-1].end() if cuts else 0
    return sentence[:opens_at], sentence[opens_at:], behind[: cut.start() if cut else None]
