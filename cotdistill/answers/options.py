"""The options of a multiple-choice question."""

import re
from collections.abc import Mapping
from string import ascii_uppercase as LETTERS

from cotdistill.answers.numbers import read_number
from cotdistill.answers.rounding import same
from cotdistill.answers.spelling import plain

_MAX_QUESTION = 32_000

_OPTION_LINE = re.compile(r"^[ \t>*-]{0,6}\(?([A-Za-z])[).:\]][ \t*]{0,4}(\S.{0,2000})$", re.MULTILINE)
_OPTION_INLINE = re.compile(r"(?:^|(?<=\s))\(([A-Za-z])\)[ \t]{0,4}([^\n]{1,500}?)(?=[\s,;]{0,4}\([A-Za-z]\)|\n|$)")
_OPTION_BARE = re.compile(r"(?:^|(?<=[\s,;]))([A-Z])\)[ \t]{0,4}([^\n]{1,500}?)(?=[\s,;]{1,4}[A-Z]\)|\n|$)")
_NUMBERED_LINE = re.compile(r"^[ \t>*-]{0,6}\(?(\d{1,2})[).:\]][ \t*]{1,4}(\S.{0,2000})$", re.MULTILINE)
_WORDS = re.compile(r"(?<!\w)-?\w+(?:[./]\w+)*%?|[^\w\s]")
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


def by_text_of(text: str, options: Mapping[str, str]) -> set[str]:
    """The one option that says the same; none where two do."""
    folded, number = folded_option(text), read_number(plain(text))
    if not folded:
        return set()
    met = {name for name, option in options.items() if folded_option(option) == folded}
    if not met and number:
        values = {name: read_number(option) for name, option in options.items()}
        met = {name for name, value in values.items() if value and same(value, number)}
    return met if len(met) == 1 else set()


def folded_option(text: str) -> str:
    """One spelling of an option: no case, no article at its head, single spaces."""
    bare = _ARTICLE.sub("", text.casefold().strip(" .,;:!*`'\""))
    return " ".join(_WORDS.findall(bare))
