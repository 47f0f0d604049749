"""Which letters of options a sentence says are the answer."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice

from cotdistill.answers.hedges import DENIES, DOUBTS, without_questions
from cotdistill.answers.options import by_text_of, folded_option

_NAME = r"[A-Za-z]|\d{1,2}"
LETTER = r"[(\[]?[A-Z][)\]]?(?![\w'’])"
ALONE = re.compile(r"[(\[{]?([A-Za-z]|\d{1,2})[)\]}.:]{0,2}")
LABELLED = re.compile(rf"(?:[(\[]({_NAME})[)\]][.:]?|({_NAME})[).:\]](?!\w)) ?(?P<text>.*)", re.DOTALL)
_NAMED = re.compile(
    r"\b(?:option|choice|answer|alternative|statement|number)(?:s? |(?=\())"
    r"(?:\(([A-Za-z]|\d{1,2})\)|([A-Z]|\d{1,2})\b(?![./]\d|['’]s))",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(r"[(\[]([A-Za-z])[)\]](?![\w(])")
_LEADING = re.compile(
    r"[(\[]?([A-Z])[)\]]?(?:,(?! ?[A-Z]\b)| ?[-–—](?=\s)| (?=\()|,? (?:because|since|as|for|which|so|given)\b)"
)
_CAPITAL = re.compile(
    r"(?<![\w'’.-])([B-HJ-Z])(?![\w'’-])|(?<![\w'’.-])([AI])(?=[.,;)]|$| (?:is|because|since|and|or|over|than"
    r"|[<>/&+])(?!\w))"
)
_JOINT = r" ?(?:,|;|&|/|(?:, ?)?\b(?:and|or|oder|und|ou|et|o|y|e|или|и)\b|或|和) ?"
SEVERAL = re.compile(rf"(?:(?i:options?|answers?|choices?|both) )?{LETTER}(?:{_JOINT}{LETTER}){{1,25}}")
TOGETHER = re.compile(r"[A-Z]{2,10}")
_DENIED = re.compile(
    r"(?:\b(?:option|choice|answer) )?[(\[]?\b[A-Z][)\]]?(?: [a-z]+)?,? (?:(?:is|are|was|were|would be|seems?) "
    r"(?:clearly |also |obviously )?(?:not\b|wrong|incorrect|false|impossible|a distractor|ruled out|out\b|too\b)"
    r"|isn't|can ?not be|can't be|does(?: not|n't))[^.;,]{0,80}"
    r"(?:[.;,]? ?(?:so|thus|therefore|hence|but|and)?\b,? ?)",
)
"""A clause that denies an option: "(B) is wrong, so"."""
_NOT_THIS = re.compile(
    r"(?:,? ?(?:(?:and|but|und|mais|pero|sino) )?\b(?i:not|rather than|instead of|unlike|excluding|nicht|pas|não|non)"
    rf"|不是|не) (?:option )?{LETTER}[^,;:.]{{0,40}}"
)
_CHOSEN = re.compile(
    r"(?:\bi(?:'d| would|'ll| will)? (?:choose|pick|select|go with|take)|(?:^|[,.;:] |\b(?:so|we|would|and|to"
    r"|then) )(?:choose|pick"
    r"|select|choosing)"
    r"|my (?:choice|pick) is|leaving(?: only)?|leaves(?: us with)?(?: only)?|left with(?: only)?|we get)"
    r" (?:option |answer |choice )?[(\[]?((?-i:[A-Z]))[)\]]?"
    r"(?![\w'])(?! ?(?:,|or|and|/|&) ?[(\[]?(?-i:[A-Z])\b)(?! (?:would|is|was|means|has)\b)",
    re.IGNORECASE,
)
"""Which of several that are named is taken: "Between A and C, I choose C"."""
_REASON = re.compile(r"(?<=\w)[)\]]?,? (?:because|since|as|given|whereas|while)\b|, which\b")
_THE_OPTION = (
    r"(?:(?i:the|la|le|el|die|correct|right|best|final|option|choice|answer|letter|alternative|statement|number) ){0,4}"
)
_AT_HEAD = (
    rf"(?:^\W*|[\s,]){_THE_OPTION}(?P<head>{LETTER}) (?:(?i:fits|works|matches|remains|applies|holds)\b"
    r"|(?:(?i:is|must be|would be|seems) )?(?:(?!second|third|last|least|worst|wrong)\w+ ){0,2}(?i:correct"
    r"|right|best|true|answer|one|choice|option"
    r"|only|most|what)\b)"
)
_AT_END = (
    r"(?:^\W*|['’]s |\b(?i:is|be|so|thus|therefore|hence|then|that|only|choose|pick|select|go(?:ing)? with|get"
    r"|say|think|believe"
    r"|conclude|means|it['’]s|(?:correspond|point|lead)s? to|match(?:es)?|leaves?|definitely|certainly|clearly|actually"
    r"|ist|est|es|é|è|это)[:,]? |[:→>=–—.!?] ?)"
    rf"{_THE_OPTION}(?:{LETTER}{_JOINT}){{0,25}}[\"'“]?(?P<end>{LETTER}|[(\[]+[A-Za-z0-9][)\]]+|(?<=\w )\d{{1,2}})"
    r"[\"'”}]{0,2}(?: (?:here|then|instead|it is))?[ .!*]*$"
)
_STATED = re.compile(rf"{_AT_HEAD}|{_AT_END}")
"""A sentence that says of a letter that it is the answer: at its head, "B is correct", or at its end, "so it is B"."""
_NOUN_AND_LETTER = re.compile(rf"^(?:(?i:the) )?[A-Za-z]+ (?P<end>{LETTER})[ .!]*$")
"""`Team B`, where the question has no options."""


def letters_in(text: str, options: Mapping[str, str]) -> set[str]:
    """By decreasing certainty: a letter alone, several letters, a letter with a text, "option B", an option's text. A
    letter that is denied is none: "(B) is wrong, so (C)" names C. Where a letter stands beside the text of another
    option, both are named."""
    if not text or len(text) > 4_096:
        return set()
    if (alone := ALONE.fullmatch(text)) and _is_name(alone[1], options):
        return {alone[1].upper()}
    if exact := by_text_of(text, options):
        return exact | set(_beside_letters(text, options))
    text = without_questions(text)
    paired = set(_beside_letters(without_reason(_without_denied(text)), options))
    text = _without_denied(masked(text, options))
    if chosen := {one.upper() for one in _CHOSEN.findall(text)}:
        return chosen
    if at_head := _at_head(text, options):
        return at_head | paired
    text = without_reason(text)
    if DENIES.search(text) or DOUBTS.search(text) or text.endswith((" or", " oder", " ou")):  # "B or not B"
        return set()
    stated = _STATED.search(text) or (None if options else _NOUN_AND_LETTER.search(text))
    said = {one.strip("()[]").upper() for one in stated.groupdict().values() if one} if stated else paired
    said = {name for name in said if name in options or not (options or name.isdigit())}
    if not said:
        return set()
    for pattern in (_NAMED, _IN_BRACKETS, _CAPITAL):
        named = {next(group for group in one.groups() if group).upper() for one in pattern.finditer(text)}
        if known := {name for name in named if name in options or pattern is _NAMED or not (options or name.isdigit())}:
            return known | paired | said
    return said if len(said) == 1 else set()


def without_reason(text: str) -> str:
    reason = _REASON.search(text)
    return text[: reason.start() + 1].rstrip(" ,") if reason else text


def _without_denied(text: str) -> str:
    return _NOT_THIS.sub("", _DENIED.sub("", text)).strip(" ,.;:")


def _at_head(text: str, options: Mapping[str, str]) -> set[str]:
    """The letters that a text begins with."""
    if several := SEVERAL.match(text):
        return set(re.findall(r"(?<![A-Za-z])[A-Z](?![A-Za-z])", several[0]))
    if TOGETHER.fullmatch(text) and set(text) <= set(options) and list(text) == sorted(set(text)):
        return set(text)
    doubted = DENIES.search(text[:40]) or DOUBTS.search(text[:40])
    if (leading := _LEADING.match(text)) and not doubted:
        others = set(_NAMED_OTHER.findall(text[leading.end() :])) if " or " in text else set()
        return {leading[1]} | (others & set(options))
    labelled = LABELLED.fullmatch(text)
    goes_on = labelled and re.match(r"(?:is|isn't|or|and|are|was)\b", labelled["text"])
    if labelled and not goes_on and _is_name(labelled[1] or labelled[2], options):
        return {(labelled[1] or labelled[2]).upper()}
    alone = ALONE.fullmatch(text)
    return {alone[1].upper()} if alone and _is_name(alone[1], options) else set()


_NAMED_OTHER = re.compile(r"(?<![\w'’.-])[(\[]?([A-Z])[)\]]?(?![\w'’-])")


def _is_name(name: str, options: Mapping[str, str]) -> bool:
    """A number names an option only where the options have numbers, and stands for no value there."""
    return not name.isdigit() or name in options


def masked(text: str, options: Mapping[str, str]) -> str:
    """A text without the texts of its options: "cannot be determined" may be one, and so may "A and C"."""
    for option in sorted(options.values(), key=len, reverse=True):
        if len(option) > 3:
            text = re.sub(re.escape(option), "…", text, flags=re.IGNORECASE)
    return text


def _beside_letters(text: str, options: Mapping[str, str]) -> Iterator[str]:
    """Letters with the options whose text stands right beside them: before one in brackets, "oxygen (B)", or behind."""
    spelt = {name: folded_option(option) for name, option in options.items()}
    window = 40 + 2 * max(map(len, spelt.values()), default=0)
    for found in islice(_BESIDE.finditer(text), _MAX_LETTERS if spelt else 0):
        before = f" {folded_option(text[max(0, found.start() - window) : found.start()])}"
        behind = f"{folded_option(text[found.end() : found.end() + window].lstrip(' ('))} "
        beside = _longest({name for name in spelt if found[1] and before.endswith(f" {spelt[name]}")}, spelt)
        beside += _longest({name for name in spelt if behind.startswith(f"{spelt[name]} ")}, spelt)
        yield from (*beside, (found[1] or found[2]).upper()) if beside else ()


_MAX_LETTERS = 40
_BESIDE = re.compile(r"(?<![\w(\[])(?:[(\[]([A-Za-z])[)\]]|([A-Za-z])(?=[).:,]| \())[).:,]?")


def _longest(names: set[str], spelt: Mapping[str, str]) -> list[str]:
    """Of `iron` and `iron oxide` the longer one, where both are there."""
    return sorted(names, key=lambda name: len(spelt[name]))[-1:]
