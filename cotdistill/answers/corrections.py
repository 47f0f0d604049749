"""What a text says of an answer after giving it: that it stands, that it was wrong, or which one stands instead."""

import re
from typing import NamedTuple

from cotdistill.answers.boxes import tidy

_WINDOW = 2_000
"""Characters behind an announced answer in which it may be taken back."""

_NEAR = 160
"""And behind a box, whose text often goes on about something else."""

_WRONG = (
    r"(?:wrong|incorrect|false|not (?:right|correct|it|possible|the (?:right|correct|final) answer)|a mistake|an error"
    r"|impossible|mistaken|too (?:high|low|large|small|big))\b"
)
_TAKEN_BACK = re.compile(
    rf"""\b(?:oops|scratch[ ]that|strike[ ]that|a[ ]contradiction|contradicts
    |on[ ]second[ ]thoughts?|my[ ](?:mistake|bad)
    |i[ ](?:meant|misread|miscounted|miscalculated|made[ ]an?[ ](?:mistake|error|slip))
    |(?:that|this)(?:[ ][a-z]+){{0,2}}(?:'s|[ ]is|[ ]was)[ ]{_WRONG}
    |(?:(?:that|this|it)[ ](?:can[ ]?not|can't|could[ ]?n[o']t)[ ]be
        |(?:that|this)[ ](?:is[ ]not|isn't|doesn't[ ]look))[ ]
        (?:right|correct|true)\b
    |(?:made|found)[ ](?:a|an)[ ](?:mistake|error))
    |\b(?:no|oh|ah),?[ ](?:wait|no|actually)\b|\bwait,?[ ]no\b
    |(?:^|(?<=[.!?,;…–—-][ ])|(?<=[.!?,;…–—]))\s{{0,3}}(?:wait|hmm+|no|sorry|apologies|correction|actually
        |edit|update|erratum)\b[,.:!…]""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_AT_ONCE = re.compile(rf"[\s$)*_]{{0,4}}(?:is|was|would be|seems|looks)(?: \w+)? {_WRONG}", re.IGNORECASE)
"""`\\boxed{11} is wrong`."""

_AT_FIRST = re.compile(
    r"[,–—-]{1,2} ?(?:or )?(?:so )?(?:(?:at first|initially|originally),? )?(?:i|we)(?:'d| had)?"
    r"(?: at first| first| initially| originally| wrongly| mistakenly)? (?:thought|believed|guessed|figured)\b"
    r"(?! (?:as much|so too|correctly|rightly))",
    re.IGNORECASE,
)
"""`B is the answer, or so I thought`; not `as I first thought`."""

_FIRM = re.compile(
    rf"wrong|incorrect|not (?:right|correct)|mistake|error|scratch|strike|contradict|n[o']t be|{_WRONG}", re.I
)
_ANNULS = re.compile(
    r"\s{0,3}(?:no|sorry|apologies|correction|oops|scratch|strike|i meant|my |on second)", re.IGNORECASE
)
_LEAD_IN = re.compile(
    r"""^(?:[\s,.:;!…*_–—]|-(?!\d)|(?:no|oh|ah|wait|sorry|oops|actually|rather|correction|hmm+|so|then|well|but|and|it|that|this|he|she
    |the|correct|right|true|real|final|value|answer|result|should|must|would|will|has|to|have|been|be|is|was|are|'s|equals
    |i|we|think|believe|meant|mean|say|get|made|a|an|mistake|error|slip|incorrect|wrong|because|now|again|indeed|in|fact|on|second|thoughts?|scratch
    |strike|my|bad)\b){1,30}""",
    re.IGNORECASE | re.VERBOSE,
)
_VALUE = re.compile(r"(?:[-+$€£¥(\\]|\d).{0,80}|[A-Z(\"'“][^\s,;]{0,30}(?: [A-Z0-9][^\s,;]{0,30}){0,3}", re.DOTALL)
_CONFIRMED = re.compile(r"\b(?:correct|confirmed|right|matches|holds|consistent|verified|yes)\b|✓|✅|☑", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[。！？\n]")
_CLAUSE = re.compile(r"[.!?;…](?=\s|$)|[。！？\n]|,(?=\s)")
_NO_VALUE = re.compile(r"\b(?:is|are|was|were|has|have|because|since|if|of|/|\+|=)\b|[=+]", re.IGNORECASE)


class Revision(NamedTuple):
    """Whether the answer stands, and what stands instead, None where a text only takes it back."""

    stands: bool
    instead: str | None = None


STANDS = Revision(True)


def revision(rest: str, *, near: bool = False) -> Revision:
    """What the text behind an answer says of it: "Wait, no, it is 12" replaces it, "that cannot be right" withdraws it,
    and a check that comes out right leaves it. `near`: look at the next sentences alone."""
    if _AT_FIRST.match(rest[:80].lstrip(" $)*_\"'’”")):
        return Revision(False)
    if near and _AT_ONCE.match(rest[:80]):
        return Revision(False)
    rest = rest[: _NEAR if near else _WINDOW]
    found = _TAKEN_BACK.search(rest)
    if found is None:
        return STANDS
    behind = rest[found.start() :]
    if instead := _instead(behind):
        return Revision(False, instead)
    if _CONFIRMED.search(rest[found.end() :]) and not _is_firm(found[0], behind):
        return STANDS
    if found[0].strip(" .,:!…").lower() in ("wait", "hmm", "hmmm", "actually", "no") and not _is_firm("", behind):
        return STANDS if near else Revision(not re.match(r"\s*(?:wait|hmm|no)", found[0], re.IGNORECASE))
    return Revision(False)


def was_thought(sentence: str) -> bool:
    """Whether a sentence gives its answer as what its writer thought before: "K is correct, or so I thought"."""
    return bool(_AT_FIRST.search(sentence))


def _is_firm(mark: str, behind: str) -> bool:
    """Whether it is said plainly that the answer was wrong, in this sentence or the next."""
    ends = [end.end() for end in _SENTENCE_END.finditer(behind)][:2]
    said = behind[: ends[-1]] if ends else behind
    return bool(_FIRM.search(mark) or _ANNULS.match(mark) or _FIRM.search(said))


def _instead(behind: str) -> str | None:
    """The value that stands instead, in the clauses right behind the mark: "no, it is 12", "I meant 12"."""
    lead = _LEAD_IN.match(behind)
    rest = behind[lead.end() :] if lead else behind
    end = _CLAUSE.search(rest)
    clause = tidy(rest[: end.start()] if end else rest)
    if len(clause) > 100 or not _VALUE.fullmatch(clause) or _NO_VALUE.search(clause):
        return None
    return clause
