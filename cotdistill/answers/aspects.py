"""What a clause may say of its number besides the number, and the words of a question that asks for such a number.

"20 more than Ben" is a difference: it answers only a question that compares. Read by answers/asked.py.
"""

import re
from typing import NamedTuple


class Aspect(NamedTuple):
    """`where` the words stand in the clause of the number: "before" it, "behind" it, or in the whole "clause"."""

    name: str
    where: str
    said: re.Pattern[str]
    asks: re.Pattern[str]


def words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE)


_COMPARATIVE = (
    "more|fewer|less|longer|shorter|taller|older|younger|faster|slower|higher|lower|heavier|lighter|bigger|smaller"
    "|greater|larger|cheaper|warmer|colder|further|farther|better|worse|short|late|early|off|mehr|weniger|länger|kürzer"
    "|älter|jünger|größer|kleiner|schneller|langsamer|schwerer|leichter|teurer|billiger|de plus|de moins|más|menos"
)
DIFFERENCE = Aspect(
    "a difference",
    "behind",
    re.compile(rf"[\s\d%°$*_)]{{0,6}}(?:[^\W\d_][\w/'’-]*\.? ){{0,3}}(?:{_COMPARATIVE})\b", re.IGNORECASE),
    words(
        rf"{_COMPARATIVE}|than|extra|additional|differ\w*|change|gap|exceed\w*|remain\w*|left|still|need\w*|saved?"
        r"|discount\w*|(?:in|de)crease\w*|miss\w*|before|until|noch|plus|moins|faltan?"
    ),
)
RATE = Aspect(
    "a share or a rate",
    "clause",
    words(
        r"each|every|per|apiece|a piece|\w+ an? (?:second|minute|hour|day|week|month|year)"
        r"|je|jeweils|pro Stück|chacun|par personne|cada"
    ),
    words(
        r"each|every|per|apiece|one|single|a|an|rate|speed|fast|averag\w*|mean|daily|hourly|weekly|monthly|yearly"
        r"|annual\w*|equal\w*|split|shared?|price|unit|day|week|month|year|je|jede\w*|pro|chaque|cada"
    ),
)
SHARE = re.compile(r"\d[^\d]{0,30} (?:each|apiece|per (?:person|piece|item|head))$", re.IGNORECASE)
"""The end of an announced answer that is a share."""
ASPECTS = (
    DIFFERENCE,
    RATE,
    Aspect(
        "a time from now",
        "behind",
        words(r"(?:second|minute|hour|day|week|month|year)s? (?:ago|later|from now|hence|earlier|afterwards)"),
        words("ago|later|from now|earlier|long|when|many"),
    ),
    Aspect(
        "another thing's",
        "before",
        words(
            "(?:second|other|another|previous|next|former|latter)"
            "(?! (?:second|minute|hour|day|night|week|month|year|round|time|hand)s?)"
        ),
        words("second|two|both|other|another|previous|next|former|latter|more|remaining|rest|total|sum|altogether|all"),
    ),
    Aspect(
        "of an earlier time",
        "clause",
        words(
            "originally|initially|at first|at the (?:start|beginning)|used to|(?:started|began) with|yesterday"
            "|previously|auparavant|früher|vorher|antes|原来|原本"
        ),
        words(
            r"original\w*|initial\w*|first|start\w*|beg[aiu]n\w*|yesterday|previous\w*|before|ago|did|was|were|had"
            "|auparavant|früher|vorher|antes|原来|原本"
        ),
    ),
    Aspect(
        "a wish or a possibility",
        "before",
        words(
            "could|can|needs? to|needs|wants?|wanted|planned|hoped|hopes|plans|would have|would need|braucht|möchte"
            "|könnte"
        ),
        words(
            r"could|can|needs?|wants?|wanted|plan\w*|hope\w*|would|should|if|must|have to|has to|will|maximum|max|most"
            r"|minimum|least|required?|able|capacity|brauch\w*|möchte|könnte|möglich"
        ),
    ),
    Aspect(
        "of several together",
        "before",
        words(r"together they|they(?: \w+)? together|between them|combined|zusammen|ensemble|juntos"),
        words("together|combined|total|all|altogether|they|both|and|sum|overall|we|zusammen|ensemble|juntos|insgesamt"),
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
STEPS = tuple((words(verbs), words(asks)) for verbs, asks in _HAPPENED.items())
SUMS_UP = words(
    "so|thus|hence|therefore|then|in total|in all|altogether|total|overall|finally|this means|also|insgesamt|somit"
    "|donc|au total|por lo tanto|en total|entonces"
)
"""A clause that draws the conclusion may name what was done in other words than its question: "So she spent $30"."""

SAYS_NOTHING = frozenset(
    re.findall(
        r"\w+",
        """been have having takes took costs weighs weigh measures measure needs need gets makes make made equal equals
        remain remains remaining left total totals comes come amounts means gives give will would there this that they
        their them with from about only just exactly still also after before into does finish finishes ends worth pays
        paid earns earn earned uses used spends spend spent value result number amount answer many much dollar dollars
        cent cents euro euros units buys needed lasts last long which what take cost back
        beträgt dauert kostet sind haben noch insgesamt genau coûte reste sont dure cuesta tiene quedan hasta""",
    )
)
"""Words that a clause may add to any number."""
DEFINES = re.compile(r"\b(?:is|are|was|were|equals|of|ist|sind|est|es|son)\b[\s$:\\(*`\[-]*$", re.IGNORECASE)
BECAUSE = re.compile(r"\b(?:because|since|as|weil|da|car|porque)\b")
PERCENT = re.compile(
    r"%|\b(?:percent\w*|probab\w*|chance\w*|likel\w*|odds|rates?|ratio|fraction|share|portion|proportion|interest|yield"
    r"|discount|Prozent\w*|pour cent|porcentaje)\b|百分|概率",
    re.IGNORECASE,
)
