"""Whether the number that ends a text without an announcement is the one that its question asks for.

Worked solutions often end in "So she has 12 left.", not in "The answer is 12.", so such a number counts. But a text may
end elsewhere: at a step, "He sold 36.", at somebody else, "Ben has 20.", or at a difference, "20 more than Ben.". Each
row of the tables below pairs what a clause says of its number with the words of a question that asks for such a number.
"""

import re
from typing import NamedTuple

from cotdistill.answers.characters import in_ascii
from cotdistill.answers.extract import Extracted
from cotdistill.answers.markup import as_seen
from cotdistill.answers.numbers import read
from cotdistill.answers.unit_ratio import ratio
from cotdistill.answers.units import NONE, read_unit

_UNANNOUNCED = ("whole", "first_line", "equation", "last_formula", "last_number")
"""Rules that find a number which nothing announces."""


class _Aspect(NamedTuple):
    """`where` the words stand in the clause of the number: "before" it, "behind" it, or in the whole "clause"."""

    name: str
    where: str
    said: re.Pattern[str]
    asks: re.Pattern[str]


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE)


_COMPARATIVE = (
    "more|fewer|less|longer|shorter|taller|older|younger|faster|slower|higher|lower|heavier|lighter|bigger|smaller"
    "|greater|larger|cheaper|warmer|colder|further|farther|short|late|early|mehr|weniger|de plus|de moins|más|menos"
)
_DIFFERENCE = _Aspect(
    "a difference",
    "behind",
    re.compile(rf"[\s\d%°$*_)]{{0,6}}(?:[^\W\d_][\w/'’-]*\.? ){{0,3}}(?:{_COMPARATIVE})\b", re.IGNORECASE),
    _words(
        r"more|fewer|less|than|extra|additional|differ\w*|change|gap|\w{2,}er|exceed\w*|remain\w*|left|still|need\w*"
        r"|short|late|early|saved?|(?:in|de)crease\w*|miss\w*|before|until|mehr|weniger|noch|plus|moins|más|menos"
        r"|faltan?"
    ),
)
_RATE = _Aspect(
    "a share or a rate",
    "clause",
    _words("each|every|per|apiece|a piece|je|jeweils|pro Stück|chacun|par personne|cada"),
    _words(
        r"each|every|per|apiece|one|single|a|an|rate|speed|fast|averag\w*|mean|daily|hourly|weekly|monthly|yearly"
        r"|annual\w*|equal\w*|split|shared?|price|unit|je|jede\w*|pro|chaque|cada"
    ),
)
_SHARE = re.compile(r"\d[^\d]{0,30} (?:each|apiece|per (?:person|piece|item|head))$", re.IGNORECASE)
"""The end of an announced answer that is a share."""
_ASPECTS = (
    _DIFFERENCE,
    _RATE,
    _Aspect(
        "a time from now",
        "behind",
        _words(r"(?:second|minute|hour|day|week|month|year)s? (?:ago|later|from now|hence|earlier|afterwards)"),
        _words("ago|later|from now|earlier|long|when|many"),
    ),
    _Aspect(
        "another thing's",
        "before",
        _words(
            "(?:second|other|another|previous|next|former|latter)"
            "(?! (?:second|minute|hour|day|night|week|month|year|round|time|hand)s?)"
        ),
        _words(
            "second|two|both|other|another|previous|next|former|latter|more|remaining|rest|total|sum|altogether|all"
        ),
    ),
    _Aspect(
        "of an earlier time",
        "clause",
        _words(
            "originally|initially|at first|at the (?:start|beginning)|used to|(?:started|began) with|yesterday"
            "|previously|auparavant|früher|vorher|antes|原来|原本"
        ),
        _words(
            r"original\w*|initial\w*|first|start\w*|beg[aiu]n\w*|yesterday|previous\w*|before|ago|did|was|were|had"
            "|auparavant|früher|vorher|antes|原来|原本"
        ),
    ),
    _Aspect(
        "a wish or a possibility",
        "before",
        _words(
            "could|can|needs? to|needs|wants?|wanted|planned|hoped|hopes|plans|would have|would need|braucht|möchte"
            "|könnte"
        ),
        _words(
            r"could|can|needs?|wants?|wanted|plan\w*|hope\w*|would|should|if|must|have to|has to|will|maximum|max|most"
            r"|minimum|least|required?|able|capacity|brauch\w*|möchte|könnte|möglich"
        ),
    ),
    _Aspect(
        "of several together",
        "before",
        _words(r"together they|they(?: \w+)? together|between them|combined|zusammen|ensemble|juntos"),
        _words(
            "together|combined|total|all|altogether|they|both|and|sum|overall|we|zusammen|ensemble|juntos|insgesamt"
        ),
    ),
)
_HAPPENED = {
    "spent|spends|paid|pays": r"spen[dt]\w*|pa(?:y|id)\w*|cost\w*|price\w*|charg\w*|bills?|worth|fees?|how much",
    "gave|gives|donated|donates|lent": r"g[ai]ve\w*|giv\w*|donat\w*|shar\w*|len[dt]\w*|tip\w*",
    "sold|sells": r"s[oe]l[dl]\w*|sales?|revenue|customers?",
    "bought|buys": r"b(?:uy|ought)\w*|purchas\w*|gets?|order\w*|shop\w*|new",
    "ate|eats|drank|drinks": r"ate|eat\w*|dr[aiu]nk\w*|consum\w*|finish\w*|food|meals?",
    "lost|loses|dropped|broke|stole": r"los[te]\w*|dropp?\w*|br[eo]k\w*|st[eo]l\w*|miss\w*",
    "removed|discarded|threw": r"remov\w*|discard\w*|thr[eo]w\w*",
    "verlor|verkaufte|kaufte|aß": r"verl\w*|verk\w*|kauf\w*|aß|isst|gegessen",
    "perdió|vendió|compró|comió": r"perd\w*|vend\w*|compr\w*|com(?:ió|er|e)\b",
}
"""Verbs of what happened on the way, and the words of a question that asks for it."""
_STEPS = tuple((_words(verbs), _words(asks)) for verbs, asks in _HAPPENED.items())
_SUMS_UP = _words(
    "so|thus|hence|therefore|then|in total|in all|altogether|total|overall|finally|this means|also|insgesamt|somit"
    "|donc|au total|por lo tanto|en total|entonces"
)
"""A clause that draws the conclusion may name what was done in other words than its question: "So she spent $30"."""

_NAME = re.compile(r"(?<![\w'’.])[A-Z][^\W\d_A-Z]{1,14}(?![\w])")
_OWNER = re.compile(
    r"\W*(?:(?i:so|thus|hence|therefore|then|now|and|but|also|donc|entonces),? )?(?P<name>[A-Z][^\W\d_A-Z]{1,14})"
    r"(?:(?P<holds> (?:has|have|had|is|was|will|gets?|got|owns?|needs?|makes?|made|earn(?:s|ed)?|scored|collected"
    r"|picked|read|hat|a|avait|tiene|tenía)\b)|['’]s? | )"
)
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
_SENTENCE = re.compile(r"(?<=[.!?])[\"')*]{0,3}\s+(?=[A-Z\"'(*$\d\\])|\n|[。！？]")
_CLAUSE = re.compile(
    r"[;:]\s|, (?:and|but|so|which|while|whereas|then|und|et|y) |,\s|\s(?:and|but|while|whereas|und|et|y)\s(?=[A-Z])"
    r"|\s(?:and|but|while|whereas|so)\s(?=(?:he|she|they|it|we)\b)"
)
_ASKS_ANYTHING = frozenset(
    ("what", "the", "answer", "result", "value", "compute", "find", "solve", "evaluate", "question", "following")
)
"""Words of a question that asks for nothing in particular: "What is the answer?"."""
_ASKS_UNIT = re.compile(r"\bhow many (?:more |fewer |whole |full |total )?([a-z]+)|[( ]in ([a-z]+)[?)]", re.IGNORECASE)


def asked(question: str) -> str:
    """The sentence of a question that asks: the last one with a question mark, else the last one."""
    sentences = [one for one in _SENTENCE.split(question.strip()[-4000:]) if one.strip()]
    return next((one for one in reversed(sentences) if "?" in one or "？" in one), sentences[-1] if sentences else "")


def what_else(question: str, text: str, found: Extracted) -> str | None:
    """In words what the number is that was found in a text, where its question asks for another; else None."""
    if found.rule in _UNANNOUNCED:
        other = _something_else(question, in_ascii(as_seen(text)), found.answer)
        return (
            other and f"nothing announces {found.answer[:60]}, which is {other}: the question asks for another number"
        )
    if _SHARE.search(found.answer) and not _RATE.asks.search(asked(question)):
        return f"{found.answer[:60]} is {_RATE.name}, which the question does not ask for"
    return None


def with_asked_unit(question: str, reference: str, said: str) -> str:
    """A bare reference with the unit of its question, where the answer has another of its kind: 7 weeks are no answer
    to "how many days", and 1 week is one where the reference is 7."""
    given, gold = read(said), read(reference)
    if given is None or gold is None or gold.unit != NONE or not (given.unit.dimensions or given.unit.money):
        return reference
    for name in {(one or other).lower() for one, other in _ASKS_UNIT.findall(asked(question))}:
        unit = read_unit(name)
        if unit and (unit.dimensions or unit.money) and ratio(unit, given.unit) not in (None, 1):
            return f"{reference} {name}"
    return reference


def _something_else(question: str, text: str, number: str) -> str | None:
    place = text.rfind(number)
    if place < 0 or not number:
        return None
    asks = asked(question)
    asks_anything = not set(re.findall(r"[^\W\d_]{3,}", asks.lower())) - _ASKS_ANYTHING
    before, behind = _clause(text, place, place + len(number))
    digits = re.search(r"\d[\d.,]*", number)
    behind = (number[digits.end() :] if digits else "") + behind
    parts = {"before": before, "behind": behind, "clause": f"{before} {behind}"}
    calculated = "=" in before + number
    for aspect in () if calculated else (_DIFFERENCE,) if asks_anything else _ASPECTS:
        if aspect.said.search(parts[aspect.where]) and not aspect.asks.search(before if asks_anything else asks):
            return aspect.name
    if asks_anything:
        return None
    if not calculated and not _SUMS_UP.search(before):
        for happened, asks_for in _STEPS:
            if happened.search(before) and not asks_for.search(asks):
                return "a step"
    return _somebody_else(question, asks, before)


def _somebody_else(question: str, asks: str, before: str) -> str | None:
    """Whose the number is, where the question names somebody and the clause names another."""
    wanted = _names(asks[1:])
    possessor, owner = _POSSESSOR.search(before), _OWNER.match(before)
    if wanted and possessor and possessor["name"] not in wanted | _NO_NAME:
        return f"{possessor['name']}'s"
    if wanted and owner and owner["name"] not in wanted | _NO_NAME and not _names(before) & wanted:
        return f"{owner['name']}'s" if owner["holds"] or owner["name"] in _names(question) else None
    return None


def _names(text: str) -> set[str]:
    return set(_NAME.findall(text)) - _NO_NAME


def _clause(text: str, start: int, end: int) -> tuple[str, str]:
    """What stands before and behind a part of a text in its clause."""
    opens = [mark.end() for mark in _SENTENCE.finditer(text, max(0, start - 1000), start)]
    sentence = text[opens[-1] if opens else max(0, start - 1000) : start]
    closes = _SENTENCE.search(text, end, end + 400)
    behind = text[end : closes.start() if closes else end + 400]
    cuts = list(_CLAUSE.finditer(sentence))
    cut = _CLAUSE.search(behind)
    return sentence[cuts[-1].end() if cuts else 0 :], behind[: cut.start() if cut else None]
