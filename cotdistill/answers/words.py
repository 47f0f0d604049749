"""Answers in words: the same words in another dress, alone or at the end of a sentence that states them."""

import re
import unicodedata
from collections.abc import Iterator

from cotdistill.answers.dates import date, same_moment, time_of_day
from cotdistill.answers.extract import EXPLAINS, final_answer
from cotdistill.answers.numbers import read, same
from cotdistill.answers.prose import without_check
from cotdistill.answers.spelling import plain
from cotdistill.answers.structure import is_empty, range_of

_LEFT_EDGE = " \"'`*_$“”‘’「『"
_RIGHT_EDGE = _LEFT_EDGE + ".,;:?。」』"  # not on the left, where .5 is not 5; and 5! is not 5
_ARTICLE = re.compile(r"(?:the|an?) (?=\w{2})", re.IGNORECASE)
_MAX_SENTENCE = 400
MAX_DRESS = 400
"""Characters by which an answer may be longer than the reference's words."""

_ANNOUNCES = ("conclusion", "tag", "json", "boxed", "hashes", "answer_line", "whole")
"""Rules for words; the others look for a number."""

_DOUBT = re.compile(
    r"\b(?:not|no|nor|or|neither|either|never|if|unless|except|but|however|although|unlike|might|maybe|perhaps|possibly|could"
    r"|may be|wrong|incorrect|rather than|instead of|supposed|[a-z]{2,8}n't)\b",
    re.IGNORECASE,
)
_STATES = re.compile(
    r"(?:\b(?:it's|that's|this is|is|was|are|were|be|been"
    r"|becomes|became|equals|called|named|means|at|on|in|as|by|answer|chose|choose"
    r"|has|have)\b"
    r"|[:=])(?: (?:therefore|thus|then|probably|clearly|most likely|now|also|always|simply|just))?"
    r"(?: (?:the|an?|on|in|at|by))*[\s\"'“*`]*$",
    re.IGNORECASE,
)
_FOLLOWS = re.compile(r"(?:,|;|\s[-–—]|\s?\(|\.\s|\n|\s(?:because|since|as|which|who)\b)", re.IGNORECASE)
_PREDICATE = re.compile(r"\s(?:is|was|are|were|has|had|will|can|won|wrote|did|does)\s", re.IGNORECASE)
_ATTACHED = re.compile(r"\s*([^\w\s'’-])\s*")
_SUBSCRIPT = re.compile(r"_\{?(\d{1,3})\}?")
_FUNCTION = re.compile(r"\\([A-Za-z]{2,10})(?![A-Za-z])")


def fold(text: str, case_sensitive: bool = False) -> str:
    """One spelling of the same words: no LaTeX dress, no article at the head, no space around signs, no final point."""
    folded = " ".join(unicodedata.normalize("NFC", plain(text)).split()).lstrip(_LEFT_EDGE).rstrip(_RIGHT_EDGE)
    folded = re.sub(r"(?<=[^\W\d])!+$", "", folded)
    folded = re.sub(r"^\(([^(),\[\]]{1,40})\)$", r"\1", folded)
    folded = _SUBSCRIPT.sub(r"\1", _FUNCTION.sub(r"\1", folded))
    if folded.startswith("["):  # a list of strings, in Python's quotes or in JSON's
        folded = folded.replace("'", '"')
    folded = _ATTACHED.sub(r"\1", _ARTICLE.sub("", folded, count=1) if _ARTICLE.match(folded) else folded).strip()
    return folded if case_sensitive else folded.casefold()


def found_in(text: str, reference: str, case_sensitive: bool = False) -> tuple[str, str] | None:
    """What a text without its trace says that is the reference, and by which rule; None where it says another."""
    wanted = fold(reference, case_sensitive)
    short = [one for one in candidates(text) if len(one[1]) <= 4 * len(reference) + MAX_DRESS]
    for rule, said in short:
        if fold(said, case_sensitive) == wanted or _same_kind(reference, said):
            return said, rule
        if rule != "whole" and _begins(said, wanted, case_sensitive):
            return said, rule
    alone = next((one for one in _lines_alone(text) if one[0] and fold(one[0], case_sensitive) == wanted), None)
    final = final_answer(text)
    if alone or (final and final.rule in _ANNOUNCES and final.rule != "whole"):
        return alone
    if final and _has_time(reference) and _same_kind(reference, final.answer):
        return final.answer, final.rule
    sentence = _last_sentence(text)
    if sentence and _states(sentence, wanted, case_sensitive, alone=len(sentence) > len(text.strip()) - 8):
        return sentence, "sentence"
    return None


def _lines_alone(text: str) -> Iterator[tuple[str, str]]:
    """The last line, and the first one where an explanation follows."""
    first, _, rest = text.strip().partition("\n")
    yield _last_line(text), "last_line"
    yield first if EXPLAINS.match(rest) else "", "first_line"


def candidates(text: str) -> Iterator[tuple[str, str]]:
    """The rules for words and what each finds: the whole text, and the answer that is announced."""
    yield "whole", text.strip()
    if (final := final_answer(text)) and final.rule in _ANNOUNCES:
        yield final.rule, final.answer


def _begins(said: str, wanted: str, case_sensitive: bool) -> bool:
    """Whether an announced answer begins with the reference and goes on to explain it: "Paris, the city of light"."""
    if _DOUBT.search(said[:200]):
        return False
    return any(fold(said[: cut.start()], case_sensitive) == wanted for cut in _FOLLOWS.finditer(said[:300]))


def _states(sentence: str, wanted: str, case_sensitive: bool, alone: bool) -> bool:
    """Whether a sentence ends with the reference behind a verb, "The capital is Paris", or is the only one and begins
    with it: "Paris is the capital". A sentence that doubts, denies or names two things states none."""
    if _DOUBT.search(sentence) or len(wanted) < 2:
        return False
    words = sentence.rstrip(" .!*_`\"'”’").split(" ")
    for start in range(len(words) - 1, max(0, len(words) - 12), -1):
        if fold(" ".join(words[start:]), case_sensitive) == wanted and _STATES.search(" ".join(words[:start]) + " "):
            return True
    subject = _PREDICATE.search(sentence)
    return alone and subject is not None and fold(sentence[: subject.start()], case_sensitive) == wanted


def _last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2].strip()


def _last_sentence(text: str) -> str:
    line = without_check(text.strip()).rstrip().rpartition("\n")[2]
    sentence = re.split(r"(?<=[a-z\d)*\"][.!?])\s+(?=[A-Z*\"])", line)[-1].strip()
    return sentence if len(sentence) <= _MAX_SENTENCE else ""


def _has_time(text: str) -> bool:
    return bool(date(plain(text)) or time_of_day(plain(text)))


def _same_kind(reference: str, said: str) -> bool:
    """The same date, time, range, quantity or nothing at all, for a reference that is one."""
    gold, given = plain(reference), plain(said)
    if len(given) > 100:
        return False
    if (moment := same_moment(gold, given)) is not None and not read(gold):
        return moment
    if limits := range_of(gold):
        return range_of(given) == limits
    number, other = read(gold), read(given)
    if number and other and (number.unit.dimensions or number.unit.money):
        return same(number, other)
    return is_empty(gold) and is_empty(given)
