"""Answers in words: the same words in another dress, alone or at the end of a sentence that states them."""

import re
from collections.abc import Iterator

from cotdistill.answers.afterwords import without_check
from cotdistill.answers.asked import asked
from cotdistill.answers.chemistry import formula, is_compound
from cotdistill.answers.dates import date, same_moment, time_of_day
from cotdistill.answers.echoes import DOUBT, echoes, ends_unspaced
from cotdistill.answers.extract import EXPLAINS, final_answer
from cotdistill.answers.folding import fold, same_words
from cotdistill.answers.json_values import json_of
from cotdistill.answers.markup import as_seen
from cotdistill.answers.numbers import read_number
from cotdistill.answers.ratios import range_of, same_range
from cotdistill.answers.rounding import same
from cotdistill.answers.special import special
from cotdistill.answers.spelling import plain
from cotdistill.answers.yes_no import NATURAL, YES_NO

_MAX_SENTENCE = 400
MAX_DRESS = 400
"""Characters by which an answer may be longer than the reference's words."""

_ANNOUNCES = ("conclusion", "tag", "json", "boxed", "hashes", "answer_line", "whole")
"""Rules for words; the others look for a number."""

_STATES = re.compile(
    r"(?:\b(?:it's|that's|this is|is|was|are|were|be|been"
    r"|becomes|became|equals|called|named|means|(?:^|\w+ \w+ |(?:it['’]s|is|was) )(?:at|on|in|as|by)"
    r"|answer|chose|choose"
    r"|ist|est|è|é|heißt|lautet|это|facing|heading|pointing|has|have"
    r"|made (?:of|from)|due to|because of|caused by|follows? from|found (?:him|her|it|them)|declared|considered"
    r"|remains?|did|will|would|should|prints?|returns?|outputs?|displays?|yields?|says)\b"
    r"|[:=])(?: (?:therefore|thus|then|probably|clearly|most likely|certainly|definitely|surely|indeed|in fact|exactly"
    r"|now|also|always|simply|just|actually|really))?"
    r"(?: (?:the|an?|on|in|at|by))*[\s\"'“*`]*$",
    re.IGNORECASE,
)
_FOLLOWS = re.compile(r"(?:,|;|\s[-–—]|\s?\(|\.\s|\n|\s(?:because|since|as|which|who)\b)", re.IGNORECASE)
_ADDS = re.compile(
    r", (?=(?:which|who|because|since|as|also|known|a|an|of course)\b)| (?:because|since) | \([^()]{1,60}\)[.!]?$",
    re.IGNORECASE,
)
"""What may follow an answer that is the whole text, where nothing announces it."""
_TURNS = re.compile(r";|, (?:so|then|while|whereas|yet)\b|\b(?:than|only|second|third|last|now|also)\b", re.IGNORECASE)
"""A sentence that begins with a name, and goes on to say that another is the answer."""
_CLEFT = re.compile(r"^(it (?:is|was) .{1,100}?) (?:who|that) .*$", re.IGNORECASE)
_BUT_IT = re.compile(
    r"^.*,? (?:but|yet) (?=(?:in fact |actually |really )?(?:it|the answer|this|that)(?:['’]s| is| was) )", re.I
)
"""What is given up before "but it is"."""
_PREDICATE = re.compile(
    r"\s(?:is|was|are|were|has|had|will|can|won|wrote|did|does|discovered|invented|described|painted"
    r"|composed|founded|directed|created|developed|proposed|built|designed)\s",
    re.IGNORECASE,
)
_CONTRAST = re.compile(
    r",? (?:(?:and|but) )?(?:not|rather than|instead of|as opposed to|unlike) "
    r"(?!necessarily|sure|certain|really|exactly|quite|always|only|yet)"
    r"(?:[\w'’-]+ ?){1,6}[.!]?$|,? followed by [^.]{1,80}[.!]?$",
    re.IGNORECASE,
)
"""The end of "Paris, not Lyon"."""
_NOT_BUT = re.compile(
    r"\bnot (?!only\b|just\b)(?:[\w'’-]+ ?){1,5},? but (?:rather )?|^not (?:[\w'’-]+ ?){1,4}[;,.] (?:but |rather )?",
    re.IGNORECASE,
)
_DENIES = re.compile(r"\b(?:not|no)\b|n't\b", re.IGNORECASE)
_GOES_ON = re.compile(
    r" (?=\([^()]{1,60}\)[.!]?$)|, (?=(?:which|who|whose|where|because|since|as|also|an?|the|located|known|so"
    r"|with|in|at) )"
    r"|(?: because| since)? (?=because |since )| (?=in (?:1\d|20)\d\d\b)"
)


def found_in(text: str, reference: str, case_sensitive: bool = False, question: str = "") -> tuple[str, str] | None:
    """What a text without its trace says that is the reference, and by which rule; None where it says another."""
    text = as_seen(text)
    wanted = fold(reference, case_sensitive)
    short = [one for one in candidates(text) if len(one[1]) <= 4 * len(reference) + MAX_DRESS]
    for rule, said in short:
        if _same(reference, said, case_sensitive):
            return said, rule
        if _begins(said, wanted, case_sensitive, _FOLLOWS if rule != "whole" else _ADDS):
            return said, rule
    alone = next((one for one in _lines_alone(text) if one[0] and _same(reference, one[0], case_sensitive)), None)
    final = final_answer(text)
    if alone or (final and final.rule in _ANNOUNCES and final.rule != "whole"):
        return alone
    counted = final and final.rule == "last_number" and _FROM_THEN.search(text.rpartition(final.answer)[0])
    if final and _has_time(reference) and not counted and _same_kind(reference, final.answer):
        return final.answer, final.rule
    sentence = _last_sentence(text)
    if sentence and ends_unspaced(sentence, wanted):
        return sentence, "sentence"
    if sentence and _states(sentence, reference, case_sensitive, alone=_bare(sentence) == _bare(text)):
        return sentence, "sentence"
    if sentence and echoes(sentence, wanted, asked(question), case_sensitive):
        return sentence, "sentence"
    return None


def _bare(text: str) -> str:
    return re.sub(r"[\s*_`]+|^(?:so|thus|hence|therefore|yes),? ", "", text, flags=re.IGNORECASE)


def _same(reference: str, said: str, case_sensitive: bool) -> bool:
    if is_compound(reference) and (spelt := formula(said)) is not None:
        return formula(reference) == spelt
    if (value := json_of(reference)) is not None and reference.lstrip()[0] == "{":
        return json_of(said) == value
    if len(said) < _MAX_SENTENCE and not _DENIES.search(reference):
        said = _without_contrast(said)
    return same_words(reference, said, case_sensitive) or _same_kind(reference, said)


def _without_contrast(said: str) -> str:
    """ "Not red; blue" and "blue rather than red" say blue."""
    return _CONTRAST.sub("", _NOT_BUT.sub("", said))


_FROM_THEN = re.compile(r"\b(?:after|before|since|until|till|by|from) *$", re.IGNORECASE)
"""What is counted from a time is another one."""
_BOLD_LINE = re.compile(r"\*\*[^*]{1,80}\*\*[.:]?\s*")


def _lines_alone(text: str) -> Iterator[tuple[str, str]]:
    """The last line, and the first one where an explanation follows."""
    first, _, rest = text.strip().partition("\n")
    yield _last_line(text), "last_line"
    yield first if EXPLAINS.match(rest) or _BOLD_LINE.fullmatch(first) else "", "first_line"


def candidates(text: str) -> Iterator[tuple[str, str]]:
    """The rules for words and what each finds: the whole text, and the answer that is announced."""
    yield "whole", text.strip()
    if (final := final_answer(text)) and final.rule in _ANNOUNCES:
        yield final.rule, final.answer


def _begins(said: str, wanted: str, case_sensitive: bool, follows: re.Pattern[str]) -> bool:
    """Whether an announced answer begins with the reference and goes on to explain it: "Paris, the city of light"."""
    if DOUBT.search(said[:200]):
        return False
    return any(fold(said[: cut.start()], case_sensitive) == wanted for cut in follows.finditer(said[:300]))


def _states(sentence: str, reference: str, case_sensitive: bool, alone: bool) -> bool:
    """Whether a sentence ends with the reference behind a verb, "The capital is Paris", or is the only one and begins
    with it: "Paris is the capital". A sentence that doubts, denies or names two things states none."""
    sentence = _BUT_IT.sub("", sentence)
    sentence = sentence if _DENIES.search(reference) else _without_contrast(sentence)
    wanted = fold(reference, case_sensitive)
    denied = re.sub(re.escape(reference.strip()), "", sentence, count=1, flags=re.IGNORECASE)
    if DOUBT.search(denied) or len(wanted) < 2:
        return False
    timed, many = _has_time(reference), len(reference.split())
    lengths = {wanted.count(" ") + 1, *((many, many + 1) if "," in reference else ())}  # "a, b, c" as "a, b and c"
    for said in dict.fromkeys((sentence, _GOES_ON.split(sentence, maxsplit=1)[0], _CLEFT.sub(r"\1", sentence))):
        words = said.rstrip(" .!*_`\"'”’").split(" ")
        for start in range(len(words) - 1, max(0, len(words) - 12), -1):
            end = " ".join(words[start:])
            met = (
                _same(reference, end, case_sensitive)
                if timed or len(words) - start in lengths
                else (fold(end, case_sensitive) == wanted)
            )
            if met and _STATES.search(" ".join(words[:start]) + " "):
                return True
    subject = _PREDICATE.search(sentence)
    return (
        alone
        and subject is not None
        and not _TURNS.search(sentence)
        and fold(sentence[: subject.start()], case_sensitive) == wanted
    )


def _last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2].strip()


def _last_sentence(text: str) -> str:
    line = without_check(text.strip()).rstrip().rpartition("\n")[2]
    sentence = re.split(r"(?<=[a-z\d)*\"][.!?])\s+(?=[A-Z*\"])", line)[-1].strip()
    return sentence if len(sentence) <= _MAX_SENTENCE else ""


def _has_time(text: str) -> bool:
    return bool(date(plain(text)) or time_of_day(plain(text)))


def _side(text: str) -> str | None:
    """Yes or no, for a text that is but a word for one of them."""
    word = text.strip(" .!").casefold()
    return next((side for side, words in YES_NO.items() if word in words), None) if word in NATURAL else None


def _same_kind(reference: str, said: str) -> bool:
    """The same date, time, range, quantity or nothing at all, for a reference that is one."""
    gold, given = plain(reference), plain(said)
    if len(given) > 100:
        return False
    if (meant := _side(gold)) is not None:
        return meant == _side(given)
    if (moment := same_moment(gold, given)) is not None and (time_of_day(gold) or not read_number(gold)):
        return moment
    if limits := range_of(gold):
        return same_range(limits, range_of(given))
    number, other = read_number(gold), read_number(given)
    if number and other and number.ordinal and other.ordinal:
        return number.value == other.value
    if number and other and (number.unit.dimensions or number.unit.money):
        return same(number, other)
    return special(gold) is not None and special(gold) == special(given)
