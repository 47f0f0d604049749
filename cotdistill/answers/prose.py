"""The last resort: the number that ends a text without an announced answer, where it can mean one thing only."""

import re

from cotdistill.answers import number_words
from cotdistill.answers.afterwords import is_afterword, without_check
from cotdistill.answers.announce import TAIL
from cotdistill.answers.asides import without_asides, without_rejected
from cotdistill.answers.boxes import tidy
from cotdistill.answers.hedges import CUT_OFF, REFUSES, hedged
from cotdistill.answers.numbers import GROUPED
from cotdistill.answers.units import SIGNS, read_unit

NUMBER = re.compile(
    rf"(?<![\w.,'’:])(?:(?<![\d)\]}}][ ])[-−+])?(?:{SIGNS})?[ ]?(?:{GROUPED}|\d{{1,3}}(?:(?:\\,|\\!,?|,\\!"
    rf"|\{{,\}})\d{{3}})+(?!\d)"
    r"|\d+|(?=\.\d))(?:\.\d+)?(?:[eE][-+]?\d{1,4})?(?:[ ]?/[ ]?\d+)?(?:[ ]?\\?%)?"
)
"""A number in prose, with its currency sign before and its percent sign after it."""

_RUN = re.compile(r"\S{0,20}?(?<![\d.])[1-9]\d{0,2}(?: \d{3})+(?!\d)\S*|\S*\d\S*")
_EDGES = "*_`\"'“”‘’()[]{}<>|~,;:!?…。，、「」"
_SENTENCE = re.compile(
    r"(?<=[.!?])[\"')*]{0,3}\s+(?=[A-Z\"'(*$\d\\])|[。！？]|\n|(?<=\$\$)\s+(?=[A-Z])|(?<=\\\])\s+(?=[A-Z])"
)
_JOIN = re.compile(
    r"[ *_$]{0,3}(?:,|;|/|:|[-–—]|to|or|and|&|oder|und|ou|et|o|y|e|или|и|到|至|から|か|或"
    r"|remainder|R|r|rem\.?|out of|x|×|\\times"
    r"|\\cdot|\+|\*|or maybe"
    r"|or even|, and|, or|and then)[ *_$]{0,3}(?:about |maybe |even |perhaps )?"
)
_TERM = re.compile(r"[(=$]?(?:[a-z]|\S*[²³⁴⁵^)]\S*)")
_UNIT_JOIN = re.compile(r" ?([A-Za-z]{1,12})\.?,?(?: and| und| et| y| e)? ?")
_COUNTED = re.compile(r"(?: [^\W\d_][\w'-]*){1,3},? (?:and|or|und|et|y|e|и|или) ")
_SUMS_UP = re.compile(
    r"\b(?:total|altogether|in all|combined|left|remain\w*|each|per|so|thus|therefore|hence|sum|equals?|makes?|get"
    r"|gets"
    r"|overall|needs?|will|would|have|has|is|are|was|were)\b|=",
    re.IGNORECASE,
)
_SCALE = re.compile(
    r" (?:hundred|thousand|million|billion|trillion|dozen|lakhs?|crores?|mio|mrd|millionen|milliarden|tausend"
    r"|gross|score"
    r"|millones|milioni|milhões|mil|тысяч\w*|миллион\w*|k|bn)\b\.?",
    re.IGNORECASE,
)
_TOTAL = re.compile(
    r"(?:\b(?:total(?:s|ling)?(?: number| amount| cost| price)?(?: of| is| was| to)?|altogether|insgesamt|gesamtzahl"
    r"|au total|en total|in totale|no total|всего|итого)\b:?|(?:总共|一共|共计|合计|總共|合計)有?) ?\$?$",
    re.IGNORECASE,
)
_SPREAD = re.compile(
    r"(?!.*\b(?:each|every|per|so|left|remain\w*|then)\b)(?:[^=.]{0,40}?\b(?:in|from|across|among|over|for|on|into|within|auf|aus"
    r"|en|dans|sur|em|su|в|на|из)\b [^=]{0,60}|[^=]{0,20}(?:分成|分为|装在|放在|来自)[^=]{0,40})$",
    re.IGNORECASE,
)
"""Behind a total: where its parts are."""
_ONLY_SUPPOSED = re.compile(
    r"\W*(?:(?:如果|假如|假设|要是|もし)|(?:let|assume|assuming|suppose|consider|imagine|see"
    r"|if(?=[^,]*=|.*\b(?:had|were|would|could|might)\b)|(?:wenn|falls)(?=.*\b(?:hätte|wäre|würde|könnte))"
    r"|si(?=.*\b(?:avait|était|serait|aurait|tuviera|fuera|tendría|sería)\b)"
    r"|se(?=.*\b(?:avesse|fosse|sarebbe|tivesse|teria)\b))\b"
    r"(?!.*\b(?:then|so)\b)|(?:add|subtract|multiply|divide|substitute|plug|move)\b(?!.*(?:\b(?:get|gives?|is|makes?|equals)\b"
    r"|=)))",
    re.IGNORECASE,
)
"""A number that is given, or to be reckoned with."""
_POINT = re.compile(
    r"(?:\b(?:is|are|at|point|pair|answer|equals)|[=:]) {0,2}\$?(\((?:[^()]{1,60}[,;])+[^()]{1,60}\))\$?[.!*]{0,3}\s*$"
)
"""A point or tuple that ends a sentence."""
_COUNTED_OUT = re.compile(
    r"\W*(?:so |thus,? |therefore,? |hence,? )?there (?:is|are) (\d{1,4})\b[^:.=\d]{0,60}: ", re.IGNORECASE
)
"""`There are 3: 2, 5 and 7.`"""
_BOLD = re.compile(r"\*\*([^*\n]{1,80})\*\*")


_AFTER_IDEOGRAPH = re.compile(r"(?<=[、。，：぀-鿿가-힣])(?=[-$¥]?\d)")


def last_number(text: str) -> str | None:
    """The last number with all that belongs to it, as `2:3`, `3 thousand`, `2\\sqrt{3}`; so where it is but a piece,
    the whole is compared. None where the text hedges, denies, counts several things or refuses."""
    text = _AFTER_IDEOGRAPH.sub(" ", without_check(text)[-4000:])
    if REFUSES.search(text[-600:]) or CUT_OFF.search(text[-20:]):
        return None
    for sentence in reversed(_SENTENCE.split(without_rejected(text))):
        if len(sentence) < len(text) - 4 and is_afterword(sentence):
            continue
        if sentence and any(one.isdigit() for one in sentence):
            return _of_sentence(sentence[-1500:])
        if sentence and sentence.strip() and (found := _in_words(sentence)):
            return found
    return None


def _of_sentence(sentence: str) -> str | None:
    if _ONLY_SUPPOSED.match(sentence):
        return None
    bold = [one for one in _BOLD.findall(sentence) if NUMBER.search(one)]
    if len(bold) == 1:
        if len(bold[0].split()) > 4:  # the whole sentence is bold
            return _of_sentence(sentence.replace("**", ""))
        place = sentence.index(f"**{bold[0]}**")
        if hedged(sentence[:place], sentence[place + len(bold[0]) + 4 :]):
            return None
        return tidy(bold[0])
    if counted := _COUNTED_OUT.match(sentence):
        return counted[1]
    if point := _POINT.search(sentence[-200:]):
        return point[1]
    main = without_asides(sentence)
    tokens = [token for token in _RUN.finditer(main) if _is_number(token[0])]
    return _of_tokens(main, tokens) if tokens else None


def _of_tokens(main: str, tokens: list[re.Match[str]]) -> str | None:
    """The number that a sentence's tokens end with, with those that belong to it; None where they count several."""
    place = _total(main, tokens) or _after_equals(main, tokens)
    start, end = _span(main, tokens[place])
    for token in reversed(tokens[:place] if place == len(tokens) - 1 else []):
        before, stop = _span(main, token)
        gap = main[stop:start]
        if _JOIN.fullmatch(gap) or ((unit := _UNIT_JOIN.fullmatch(gap)) and _is_unit(unit[1])):
            start = before
            continue
        if _COUNTED.fullmatch(gap) and not _SUMS_UP.search(gap) and not _SUMS_UP.search(main[end : end + 40]):
            return None
        break
    start = _with_terms(main, start)
    if hedged(main[:start], main[end:]):
        return None
    return TAIL.sub("", tidy(main[start : _with_unit(main, end)]))


def _with_terms(text: str, start: int) -> int:
    """Where the formula begins whose last term does: "x² − " before 9."""
    first = max(0, start - 200)
    tokens = list(re.finditer(r"\S+", text[first:start]))
    while len(tokens) > 1 and tokens[-1][0] in "-−+*/×·" and _TERM.fullmatch(tokens[-2][0]):
        start, tokens = first + tokens[-2].start(), tokens[:-2]
    return start


def _total(text: str, tokens: list[re.Match[str]]) -> int:
    """The place of the number that is called the total, "a total of 36 apples in 6 baskets"; 0 for none but the first,
    which is the only number then or drops the others."""
    for place, token in enumerate(tokens[:-1]):
        digits = NUMBER.search(text, token.start(), token.end())
        end = digits.end() if digits else token.end()
        if _TOTAL.search(text[: token.start()][-40:]) and _SPREAD.match(text[end:]):
            del tokens[place + 1 :]
            return place
    return 0


def _after_equals(text: str, tokens: list[re.Match[str]]) -> int:
    """The place of the number behind the last equals sign of a sentence, "…= $36 for the 2 shirts"; else the last."""
    last = text.rfind("=")
    if re.search(
        r"\d[^=]{0,60}\b(?:but|so|hence|therefore|thus|minus|plus|leav\w+|which)\b[^=]{0,60}\d", text[last + 1 :]
    ):
        return len(tokens) - 1
    behind = next((place for place, token in enumerate(tokens) if token.end() > last + 1), len(tokens) - 1)
    return behind if last >= 0 and not text[last + 1 : tokens[behind].start()].strip(" $*") else len(tokens) - 1


def _span(text: str, run: re.Match[str]) -> tuple[int, int]:
    """The run without the punctuation around it, after its last equals sign, and after GSM8K's `<<3*6=18>>`."""
    start, end = run.span()
    head = max(run[0].rfind(">>") + 2 if ">>" in run[0] else 0, run[0][:-1].rfind("=") + 1)
    if any(one.isdigit() for one in run[0][head:]):
        start += head
    while (
        start < end
        and text[start] in _EDGES
        and not (text[start] in "([{" and text.find(")]}"["([{".index(text[start])], start, end) > 0)
    ):
        start += 1
    body = text[start:end]
    body = body.rstrip(".")
    while body and body[-1] in _EDGES + ".":
        closes = {")": "(", "]": "[", "}": "{"}.get(body[-1])
        if closes and body.count(closes) >= body.count(body[-1]):
            break
        body = body[:-1]
    if body.startswith("(") and body.endswith(")"):
        return start + 1, start + len(body) - 1
    if body.startswith("$") and body.endswith("$") and len(body) > 2:
        return start + 1, start + len(body) - 1
    return start, start + len(body)


def _is_number(run: str) -> bool:
    """Whether a run of characters has a number of its own: not `A4`, `COVID-19`, `3rd` or `30-day`."""
    bare = run.strip(_EDGES + ".$")
    if bare[:1].isalpha() and (unit := read_unit(bare)) and unit.dimensions:  # m/s^2
        return False
    return not re.fullmatch(
        r"[A-Za-z]{2,}[-_]?\d+\w*|[A-Za-z]\d+|\d+(?:st|nd|rd|th)|\d+-[A-Za-z-]+|#\d+|.*[A-Za-z]{3,}\d.*", bare
    )


def _is_unit(word: str) -> bool:
    unit = read_unit(word)
    return bool(unit and (unit.dimensions or unit.money))


def _with_unit(text: str, end: int) -> int:
    """Where the unit behind a number ends: a scale word or up to three words that are a unit, a currency or percent."""
    if scale := _SCALE.match(text, end):
        end = scale.end()
    words = list(
        re.finditer(r" ?(?:\\?%|[^\W\d_]+\.?|[€£¥₹])(?:\^\{?-?\d\}?)?(?:/[^\W\d_]+(?:\^?[23])?)?", text[end : end + 60])
    )[:3]
    for count in range(len(words), 0, -1):
        stop = words[count - 1].end()
        if words[0].start() == 0 and "".join(word[0] for word in words[:count]) == text[end : end + stop]:
            unit = read_unit(text[end : end + stop].replace("\\%", "%"))
            is_preposition = text[end : end + stop].strip() == "in" and re.match(r" [A-Za-z]", text[end + stop :])
            if unit and (unit.dimensions or unit.money or unit.percent) and not unit.things and not is_preposition:
                return end + stop
    return end


def unit_behind(text: str, end: int) -> str:
    """The unit that stands in a text from `end` on, "" for none."""
    return text[end : _with_unit(text, end)]


def _in_words(sentence: str) -> str | None:
    """The one number in words of a sentence without digits: "There are twelve of them." A "one" may be a pronoun."""
    if ratio := number_words.CARDINAL_TO_CARDINAL.search(sentence):
        return ratio[0]
    found = [
        (phrase, value)
        for phrase in number_words.PHRASE.finditer(sentence)
        if (value := number_words.value(phrase[0])) is not None
    ]
    found = [(phrase, value) for phrase, value in found if phrase[0].lower() not in ("one", "a half", "half")]
    if len(found) != 1 or len(sentence) > 200:
        return None
    phrase = found[0][0]
    before, after = sentence[: phrase.start()][-80:], sentence[phrase.end() :]
    is_other = hedged(before, after) or re.search(r"\b(?:the|these|those|other|all|both) $", before)
    return None if is_other else sentence[phrase.start() : _with_unit(sentence, phrase.end())].strip()
