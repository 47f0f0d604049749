"""Which of a question's options a text chooses: by letter, by number, or by the option's own text."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice

from cotdistill.answers.corrections import revision
from cotdistill.answers.extract import final_answer, last_resort
from cotdistill.answers.hedges import DENIES, DOUBTS, REFUSES, without_questions
from cotdistill.answers.labels import label_of
from cotdistill.answers.markup import as_seen
from cotdistill.answers.numbers import read
from cotdistill.answers.options import by_text_of, folded_option
from cotdistill.answers.spelling import plain
from cotdistill.answers.stated import stated
from cotdistill.answers.yes_no import YES_NO

_NAME = r"[A-Za-z]|\d{1,2}"
_LETTER = r"[(\[]?[A-Z][)\]]?(?![\w'’])"
_ALONE = re.compile(r"[(\[{]?([A-Za-z]|\d{1,2})[)\]}.:]{0,2}")
_LABELLED = re.compile(rf"(?:[(\[]({_NAME})[)\]][.:]?|({_NAME})[).:\]](?!\w)) ?(?P<text>.*)", re.DOTALL)
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
_SEVERAL = re.compile(rf"(?:(?i:options?|answers?|choices?|both) )?{_LETTER}(?:{_JOINT}{_LETTER}){{1,25}}")
_TOGETHER = re.compile(r"[A-Z]{2,10}")
_DENIED = re.compile(
    r"(?:\b(?:option|choice|answer) )?[(\[]?\b[A-Z][)\]]?(?: [a-z]+)?,? (?:(?:is|are|was|were|would be|seems?) "
    r"(?:clearly |also |obviously )?(?:not\b|wrong|incorrect|false|impossible|a distractor|ruled out|out\b|too\b)"
    r"|isn't|can ?not be|can't be|does(?: not|n't))[^.;,]{0,80}"
    r"(?:[.;,]? ?(?:so|thus|therefore|hence|but|and)?\b,? ?)",
)
"""A clause that denies an option: "(B) is wrong, so"."""
_NOT_THIS = re.compile(
    r"(?:,? ?(?:(?:and|but|und|mais|pero|sino) )?\b(?i:not|rather than|instead of|unlike|excluding|nicht|pas|não|non)"
    rf"|不是|не) (?:option )?{_LETTER}[^,;:.]{{0,40}}"
)
_CHOSEN = re.compile(
    r"(?:\bi(?:'d| would|'ll| will)? (?:choose|pick|select|go with|take)|(?:^|[,.;:] |\b(?:so|we|would|and|to"
    r"|then) )(?:choose|pick"
    r"|select|choosing)"
    r"|my (?:choice|pick) is|leaving(?: only)?|leaves(?: us with)?(?: only)?|left with(?: only)?)"
    r" (?:option |answer |choice )?[(\[]?((?-i:[A-Z]))[)\]]?"
    r"(?![\w'])(?! ?(?:,|or|and|/|&) ?[(\[]?(?-i:[A-Z])\b)",
    re.IGNORECASE,
)
"""Which of several that are named is taken: "Between A and C, I choose C"."""
_OR = re.compile(rf"(?<![\w']){_LETTER},? (?:or|and/or|oder|ou|o|или) {_LETTER}")
_REASON = re.compile(r"(?<=\w)[)\]]?,? (?:because|since|as|given|which|whereas|while)\b")
_SENTENCE = re.compile(r"(?:(?<=\w\w[.!?])|(?<=[)\]\"'%…][.!?]))\s+(?=[A-Z(\[*])|(?<=[。！？])")
_TURNS = re.compile(
    r"\b(?:but|however|although|though|yet|consider|let's|let us|suppose|assume|look at|first guess|initially"
    r"|eliminat\w+|rul(?:e|es|ed|ing) out|discard\w*|reject\w*|next to|plan|vitamin)\b|[<>]",
    re.IGNORECASE,
)
"""A sentence that announces nothing, and names an option on the way to another."""
_ANNOUNCED = ("conclusion", "tag", "json", "boxed", "hashes", "answer_line")


def chosen_by_reference(reference: str, options: Mapping[str, str]) -> set[str] | str:
    """The right letters, or what is wrong with the reference."""
    if not reference:
        return "the prompt has no reference"
    text = plain(reference)
    if len(text) > 2 and (by_text := by_text_of(text, options)):
        return by_text
    names: set[str] = set()
    if alone := _ALONE.fullmatch(text):
        names = {alone[1].upper()}
        if alone[1].isdigit() and alone[1] not in options:
            names = by_text_of(text, options)
    elif labelled := _LABELLED.fullmatch(text):
        names = {(labelled[1] or labelled[2]).upper()}
        meant = by_text_of(labelled["text"], options)
        if meant and meant != names:
            return "the reference's letter and its text are two options"
    elif _SEVERAL.fullmatch(text) or (_TOGETHER.fullmatch(text) and list(text) == sorted(set(text))):
        names = set(re.findall("[A-Z]", text))
    else:
        names = by_text_of(text, options)
    if not names:
        return "the reference is neither a letter nor an option of the question"
    return "the question has no such option" if options and not names <= set(options) else names


def chosen_by_text(text: str, options: Mapping[str, str]) -> tuple[str, set[str]]:
    """The rule that found something, and the letters that a text names. What is announced counts; then letters in the
    last sentence or line, a letter at the head of the first, an option's text within the last."""
    found = final_answer(text)
    if found and found.rule in _ANNOUNCED:
        said = plain(found.answer)
        return found.rule, letters_in(said, options) or _mentioned(said, options)
    lines = [plain(line) for line in as_seen(text).splitlines() if line.strip()]
    if not lines or REFUSES.search(_masked(lines[-1], options)):
        return "none", set()
    first = _ALONE.fullmatch(lines[0])
    if first and first[1].isalpha() and len(lines) > 1 and revision(" ".join(lines[1:])).stands:
        return "first_line", {first[1].upper()}
    last = lines[-1].replace("**", "")
    labels = {label[1] or label[2] for line in lines if (label := _LABELLED.fullmatch(line))}
    if len(labels) > 1 and _LABELLED.fullmatch(last):
        return "none", set()  # each option is looked at, and none is taken
    for part in dict.fromkeys((_SENTENCE.split(last)[-1], last)):
        clear = _CHOSEN.search(part) or not _TURNS.search(_masked(part, options))
        if clear and (letters := letters_in(part, options)):
            return "last_line", letters
    alone = None if DENIES.search(lines[0]) else _LABELLED.fullmatch(lines[0])
    if alone and not (alone[1] or alone[2]).isdigit():
        return "first_line", {(alone[1] or alone[2]).upper()}
    return "mention", _mentioned(last, options)


def leaves_open(text: str) -> bool:
    """Whether the answer of a text is "A or C", which are not both."""
    found = final_answer(text)
    return bool(_OR.search(found.answer if found else text.strip().rpartition("\n")[2]))


def letters_in(text: str, options: Mapping[str, str]) -> set[str]:
    """By decreasing certainty: a letter alone, several letters, a letter with a text, "option B", an option's text. A
    letter that is denied is none: "(B) is wrong, so (C)" names C. Where a letter stands beside the text of another
    option, both are named."""
    if not text or len(text) > 4_096:
        return set()
    if (alone := _ALONE.fullmatch(text)) and _is_name(alone[1], options):
        return {alone[1].upper()}
    if exact := by_text_of(text, options):
        return exact | set(_beside_letters(text, options))
    text = without_questions(text)
    paired = set(_beside_letters(_without_reason(_without_denied(text)), options))
    text = _without_denied(_masked(text, options))
    if chosen := {one.upper() for one in _CHOSEN.findall(text)}:
        return chosen
    if at_head := _at_head(text, options):
        return at_head | paired
    text = _without_reason(text)
    if DENIES.search(text) or DOUBTS.search(text) or text.endswith((" or", " oder", " ou")):  # "B or not B"
        return set()
    for pattern in (_NAMED, _IN_BRACKETS, _CAPITAL):
        named = {next(group for group in one.groups() if group).upper() for one in pattern.finditer(text)}
        if known := {name for name in named if name in options or pattern is _NAMED or not (options or name.isdigit())}:
            return known | paired
    return set()


def _without_reason(text: str) -> str:
    reason = _REASON.search(text)
    return text[: reason.start() + 1] if reason else text


def _without_denied(text: str) -> str:
    return _NOT_THIS.sub("", _DENIED.sub("", text)).strip(" ,.;:")


def _at_head(text: str, options: Mapping[str, str]) -> set[str]:
    """The letters that a text begins with."""
    if several := _SEVERAL.match(text):
        return set(re.findall(r"(?<![A-Za-z])[A-Z](?![A-Za-z])", several[0]))
    if _TOGETHER.fullmatch(text) and set(text) <= set(options) and list(text) == sorted(set(text)):
        return set(text)
    doubted = DENIES.search(text[:40]) or DOUBTS.search(text[:40])
    if (leading := _LEADING.match(text)) and not doubted:
        others = set(_NAMED_OTHER.findall(text[leading.end() :])) if " or " in text else set()
        return {leading[1]} | (others & set(options))
    labelled = _LABELLED.fullmatch(text)
    goes_on = labelled and re.match(r"(?:is|isn't|or|and|are|was)\b", labelled["text"])
    if labelled and not goes_on and _is_name(labelled[1] or labelled[2], options):
        return {(labelled[1] or labelled[2]).upper()}
    alone = _ALONE.fullmatch(text)
    return {alone[1].upper()} if alone and _is_name(alone[1], options) else set()


_NAMED_OTHER = re.compile(r"(?<![\w'’.-])[(\[]?([A-Z])[)\]]?(?![\w'’-])")


def _is_name(name: str, options: Mapping[str, str]) -> bool:
    """A number names an option only where the options have numbers, and stands for no value there."""
    return not name.isdigit() or name in options


def _masked(text: str, options: Mapping[str, str]) -> str:
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


def _mentioned(text: str, options: Mapping[str, str]) -> set[str]:
    """Options whose text stands in a sentence; `iron` does not count within `iron oxide`. Among numbers it is the one
    that the sentence states, and of yes and no the one that it says."""
    text = without_questions(text)
    if len(text) > 4_096:
        return set()
    masked = _masked(text, options)
    if DENIES.search(masked) or DOUBTS.search(masked):
        return set()
    words = f" {folded_option(_without_reason(text))} "
    met = _by_number(text, options)
    for name, option in sorted(options.items(), key=lambda item: -len(item[1])):
        spelt = f" {folded_option(option)} "
        if side := next((side for side, said in YES_NO.items() if spelt.strip() in said), None):
            met |= {name} if label_of(text) == side else set()
        elif spelt in words and len(spelt) > 3 and not read(option):
            met.add(name)
            words = words.replace(spelt, " | ")
    return met


def _by_number(text: str, options: Mapping[str, str]) -> set[str]:
    """The option that is the number which a text states."""
    said = last_resort(text) if any(read(option) for option in options.values()) else None
    return (by_text_of(said.answer, options) or by_text_of(stated(said.answer) or "", options)) if said else set()
