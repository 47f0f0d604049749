"""Which of a question's options a text chooses: by letter, by number, or by the option's own text."""

import re
from collections.abc import Mapping
from string import ascii_uppercase as LETTERS

from cotdistill.answers.extract import final_answer
from cotdistill.answers.markup import as_seen
from cotdistill.answers.numbers import read
from cotdistill.answers.rounding import same
from cotdistill.answers.spelling import plain

_MAX_QUESTION = 32_000

_OPTION_LINE = re.compile(r"^[ \t>*-]{0,6}\(?([A-Za-z])[).:\]][ \t*]{0,4}(\S.{0,2000})$", re.MULTILINE)
_OPTION_INLINE = re.compile(r"(?:^|(?<=\s))\(([A-Za-z])\)[ \t]{0,4}([^\n]{1,500}?)(?=[\s,;]{0,4}\([A-Za-z]\)|\n|$)")
_OPTION_BARE = re.compile(r"(?:^|(?<=[\s,;]))([A-Z])\)[ \t]{0,4}([^\n]{1,500}?)(?=[\s,;]{1,4}[A-Z]\)|\n|$)")
_NUMBERED_LINE = re.compile(r"^[ \t>*-]{0,6}\(?(\d{1,2})[).:\]][ \t*]{1,4}(\S.{0,2000})$", re.MULTILINE)

_NAME = r"[A-Za-z]|\d{1,2}"
_ALONE = re.compile(r"[(\[{]?([A-Za-z]|\d{1,2})[)\]}.:]{0,2}")
_LABELLED = re.compile(rf"(?:[(\[]({_NAME})[)\]][.:]?|({_NAME})[).:\]](?!\w)) ?(?P<text>.*)", re.DOTALL)
_NAMED = re.compile(
    r"\b(?:option|choice|answer|alternative|statement|number)(?:s? |(?=\())"
    r"(?:\(([A-Za-z]|\d{1,2})\)|([A-Z]|\d{1,2})\b(?![./]\d))",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(r"[(\[]([A-Za-z])[)\]](?![\w(])")
_LEADING = re.compile(
    r"[(\[]?([A-Z])[)\]]?(?:,(?! ?[A-Z]\b)| ?[-–—](?=\s)|,? (?:because|since|as|for|which|so|given)\b)"
)
_CAPITAL = re.compile(
    r"(?<![\w'’.-])([B-HJ-Z])(?![\w'’-])|(?<![\w'’.-])([AI])(?=[.,;)]|$| (?:is|because|since|and|or)\b)"
)
_SEVERAL = re.compile(r"[(\[]?[A-Z][)\]]?(?: ?(?:,|;|&|/|and|or|,? and|,? or) ?[(\[]?[A-Z][)\]]?(?![\w'])){1,25}")
_WORDS = re.compile(r"(?<!\w)-?\w+(?:[./]\w+)*%?|[^\w\s]")
_HEDGE = re.compile(
    r"\b(?:not|neither|nor|except|all but|everything but|anything but|other than|unlike|wrong|incorrect|cannot)\b"
    r"|n't\b",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"(?:\b(?:option|choice|answer) )?[(\[]?\b[A-Z][)\]]?(?: [a-z]+)?,? (?:(?:is|are|was|were|would be|seems?) "
    r"(?:clearly |also |obviously )?(?:not\b|wrong|incorrect|false|impossible|a distractor|ruled out|out\b|too\b)"
    r"|isn't|can ?not be|can't be|does(?: not|n't))[^.;,]{0,80}"
    r"(?:[.;,]? ?(?:so|thus|therefore|hence|but|and)?\b,? ?)",
)
"""A clause that denies an option: "(B) is wrong, so"."""
_NOT_THIS = re.compile(
    r",? ?(?:(?:and|but) )?(?:not|rather than|instead of|unlike|excluding) (?:option )?[(\[]?[A-Z][)\]]?(?![\w'])"
    r"[^,;.]{0,40}"
)
_CHOSEN = re.compile(
    r"\b(?:i(?:'d| would|'ll| will)? (?:choose|pick|select|go with|take)|(?:choose|pick|select|choosing)"
    r"|my (?:choice|pick) is|leaving(?: only)?|leaves(?: us with)?(?: only)?|left with(?: only)?)"
    r" (?:option |answer |choice )?[(\[]?((?-i:[A-Z]))[)\]]?"
    r"(?![\w'])(?! ?(?:,|or|and|/|&) ?[(\[]?(?-i:[A-Z])\b)",
    re.IGNORECASE,
)
"""Which of several that are named is taken: "Between A and C, I choose C"."""
_OR = re.compile(r"(?<![\w'])[(\[]?[A-Z][)\]]?,? (?:or|and/or|oder|ou) [(\[]?[A-Z](?![\w'])")
_ARTICLE = re.compile(r"^(?:the|an?) (?=\S{2})", re.IGNORECASE)


def read_options(question: str) -> dict[str, str]:
    """The last run A, B, C … of options, on lines of their own or in one line as `(A) … (B) …`; else a run 1, 2, 3 … on
    lines of their own; {} for none."""
    for pattern in (_OPTION_LINE, _OPTION_INLINE, _OPTION_BARE):
        if options := _run(pattern, question[-_MAX_QUESTION:], list(LETTERS)):
            return options
    return _run(_NUMBERED_LINE, question[-_MAX_QUESTION:], [str(number) for number in range(1, 27)])


def _run(pattern: re.Pattern[str], question: str, names: list[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for found in pattern.finditer(question):
        name = found[1].upper()
        if name == names[0]:
            options = {}
        if len(options) < len(names) and name == names[len(options)]:
            options[name] = plain(found[2])
    return options if len(options) > 1 else {}


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
    elif _SEVERAL.fullmatch(text) or (re.fullmatch("[A-Z]{2,10}", text) and list(text) == sorted(set(text))):
        names = set(re.findall("[A-Z]", text))
    else:
        names = by_text_of(text, options)
    if not names:
        return "the reference is neither a letter nor an option of the question"
    return "the question has no such option" if options and not names <= set(options) else names


def chosen_by_text(text: str, options: Mapping[str, str]) -> tuple[str, set[str]]:
    """The rule that found something, and the letters that a text names. What is announced counts; then letters in the
    last line, a letter at the head of the first, an option's text within the last."""
    found = final_answer(text)
    if found and found.rule in ("conclusion", "tag", "json", "boxed", "hashes", "answer_line"):
        said = plain(found.answer)
        return found.rule, letters_in(said, options) or _mentioned(said, options)
    lines = [plain(line) for line in as_seen(text).splitlines() if line.strip()]
    if not lines:
        return "none", set()
    if letters := letters_in(lines[-1], options):
        return "last_line", letters
    alone = None if _HEDGE.search(lines[0]) else _ALONE.fullmatch(lines[0]) or _LABELLED.fullmatch(lines[0])
    if alone and not (alone[1] or alone[2]).isdigit():
        return "first_line", {(alone[1] or alone[2]).upper()}
    return "mention", _mentioned(lines[-1], options)


def leaves_open(text: str) -> bool:
    """Whether the answer of a text is "A or C", which are not both."""
    found = final_answer(text)
    return bool(_OR.search(found.answer if found else text.strip().rpartition("\n")[2]))


def letters_in(text: str, options: Mapping[str, str]) -> set[str]:
    """By decreasing certainty: a letter alone, several letters, a letter with a text, "option B", an option's text. A
    letter that is denied is none: "(B) is wrong, so (C)" names C."""
    if not text or len(text) > 4_096:
        return set()
    if (alone := _ALONE.fullmatch(text)) and _is_name(alone[1], options):
        return {alone[1].upper()}
    if exact := by_text_of(text, options):
        return exact
    text = _NOT_THIS.sub("", _DENIED.sub("", text)).strip(" ,.;")
    if chosen := {one.upper() for one in _CHOSEN.findall(text)}:
        return chosen
    if at_head := _at_head(text, options):
        return at_head
    if _HEDGE.search(text):
        return set()
    for pattern in (_NAMED, _IN_BRACKETS, _CAPITAL):
        named = {next(group for group in one.groups() if group).upper() for one in pattern.finditer(text)}
        if known := {name for name in named if name in options or pattern is _NAMED or not (options or name.isdigit())}:
            return known
    return set()


def _at_head(text: str, options: Mapping[str, str]) -> set[str]:
    """The letters that a text begins with."""
    if several := _SEVERAL.match(text):
        return set(re.findall("[A-Z]", several[0]))
    if (leading := _LEADING.match(text)) and not _HEDGE.search(text[:40]):
        others = set(_NAMED_OTHER.findall(text[leading.end() :])) if " or " in text else set()
        return {leading[1]} | (others & set(options))
    labelled = _LABELLED.fullmatch(text)
    goes_on = labelled and re.match(r"(?:is|isn't|or|and|are|was)\b", labelled["text"])
    if labelled and not goes_on and _is_name(labelled[1] or labelled[2], options):
        return {(labelled[1] or labelled[2]).upper()} | by_text_of(labelled["text"], options)
    alone = _ALONE.fullmatch(text)
    return {alone[1].upper()} if alone and _is_name(alone[1], options) else set()


_NAMED_OTHER = re.compile(r"(?<![\w'’.-])[(\[]?([A-Z])[)\]]?(?![\w'’-])")


def _is_name(name: str, options: Mapping[str, str]) -> bool:
    """A number names an option only where the options have numbers, and stands for no value there."""
    return not name.isdigit() or name in options


def by_text_of(text: str, options: Mapping[str, str]) -> set[str]:
    """The one option that says the same; none where two do."""
    folded, number = _folded(text), read(plain(text))
    if not folded:
        return set()
    met = {name for name, option in options.items() if _folded(option) == folded}
    if not met and number:
        values = {name: read(option) for name, option in options.items()}
        met = {name for name, value in values.items() if value and same(value, number)}
    return met if len(met) == 1 else set()


def _mentioned(text: str, options: Mapping[str, str]) -> set[str]:
    """Options whose text stands in a sentence; `iron` does not count within `iron oxide`."""
    if len(text) > 4_096 or _HEDGE.search(text):
        return set()
    words = f" {_folded(text)} "
    met = set()
    for name, option in sorted(options.items(), key=lambda item: -len(item[1])):
        spelt = f" {_folded(option)} "
        if spelt in words and (len(spelt) > 3 or option.strip(" .").isdigit()):
            met.add(name)
            words = words.replace(spelt, " | ")
    return met


def _folded(text: str) -> str:
    bare = _ARTICLE.sub("", text.casefold().strip(" .,;:!*`'\""))
    return " ".join(_WORDS.findall(bare))
