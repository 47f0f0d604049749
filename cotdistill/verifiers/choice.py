"""One of several options, A to J."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cotdistill.answers.extract import ANSWER_WINDOW, cut_reference, final_answer
from cotdistill.answers.numbers import read, same
from cotdistill.answers.spelling import plain
from cotdistill.reasoning import split
from cotdistill.records import Prompt, Response, Verdict

LETTERS = "ABCDEFGHIJ"
_MAX_QUESTION = 32_000
_MAX_SHOWN = 200

_OPTION_LINE = re.compile(r"^[ \t>*-]{0,6}\(?([A-Ja-j])[).:\]][ \t*]{0,4}(\S.{0,2000})$", re.MULTILINE)
_OPTION_INLINE = re.compile(r"(?:^|(?<=\s))\(([A-Ja-j])\)[ \t]{0,4}([^\n]{1,500}?)(?=[\s,;]{1,4}\([A-Ja-j]\)|\n|$)")

_ALONE = re.compile(r"[(\[{]?([A-Ja-j])[)\]}.:]{0,2}")
_LABELLED = re.compile(r"(?:[(\[]([A-Ja-j])[)\]][.:]?|([A-Ja-j])[).:\]](?!\w)) ?(?P<text>.*)", re.DOTALL)
_NAMED = re.compile(r"\b(?:option|choice|answer|alternative|statement) ?(?:\(([A-Ja-j])\)|([A-J])\b)", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"[(\[]([A-Ja-j])[)\]]")
_LEADING = re.compile(r"[(\[]?([A-J])[)\]]?(?:,| ?[-–—](?=\s)|,? (?:because|since|as|for|which|so)\b)")
_CAPITAL = re.compile(
    r"(?<![\w'’.-])([B-HJ])(?![\w'’-])|(?<![\w'’.-])([AI])(?=[.,;)]|$| (?:is|because|since|and|or)\b)"
)
_SEVERAL = re.compile(r"[(\[]?[A-J][)\]]?(?: ?(?:,|;|&|/|and|or|,? and|,? or) ?[(\[]?[A-J][)\]]?){1,9}")
_WORDS = re.compile(r"(?<!\w)-?\w+(?:[./]\w+)*%?|[^\w\s]")
_HEDGE = re.compile(r"\b(?:not|n't|neither|nor|except|unlike|wrong|incorrect)\b|n't\b", re.IGNORECASE)


@dataclass
class Verifier:
    """A letter A to J, or the text of the option it stands for; options are read from the question's lines `A) …`.

    The reference is a letter, a letter with its text, an option's text, or several letters ("A, C") that must all be
    named. An answer that names other letters besides is incorrect, and a single word "A" is no letter.
    """

    def judge(self, response: Response) -> Verdict:
        options = read_options(_question(response.prompt))
        reference = cut_reference(response.prompt.reference or "")
        gold = _of_reference(reference, options)
        if isinstance(gold, str):
            return Verdict(status="bad_reference", reference=reference[:_MAX_SHOWN] or None, method="none", detail=gold)
        visible = split(response.text)
        rule, letters = _of_answer(visible.answer[-ANSWER_WINDOW:].strip(), options)
        shown = ", ".join(sorted(gold))
        if not letters:
            detail = "no option is named" if visible.closed else "the reasoning does not end"
            return Verdict(status="no_answer", reference=shown, method="none", detail=detail)
        return Verdict(
            status="correct" if letters == gold else "incorrect",
            answer=", ".join(sorted(letters)),
            reference=shown,
            method=f"choice/{rule}",
            detail="several letters are named" if len(letters) > len(gold) else None,
        )


def read_options(question: str) -> dict[str, str]:
    """The last run A, B, C … of options, on lines of their own or in one line as `(A) … (B) …`; {} for none."""
    for pattern in (_OPTION_LINE, _OPTION_INLINE):
        options: dict[str, str] = {}
        for found in pattern.finditer(question[-_MAX_QUESTION:]):
            letter = found[1].upper()
            if letter == "A":
                options = {}
            if letter == LETTERS[len(options) : len(options) + 1]:
                options[letter] = plain(found[2])
        if len(options) > 1:
            return options
    return {}


def _question(prompt: Prompt) -> str:
    return next((turn.content for turn in reversed(prompt.messages) if turn.role == "user"), "")


def _of_reference(reference: str, options: Mapping[str, str]) -> set[str] | str:
    """The right letters, or what is wrong with the reference."""
    if not reference:
        return "the prompt has no reference"
    text = plain(reference)
    if len(text) > 2 and (by_text := _by_text(text, options)):
        return by_text
    letters: set[str] = set()
    if alone := _ALONE.fullmatch(text):
        letters = {alone[1].upper()}
    elif labelled := _LABELLED.fullmatch(text):
        letters = {(labelled[1] or labelled[2]).upper()}
        meant = _by_text(labelled["text"], options)
        if meant and meant != letters:
            return "the reference's letter and its text are two options"
    elif _SEVERAL.fullmatch(text) or (re.fullmatch("[A-J]{2,10}", text) and list(text) == sorted(set(text))):
        letters = set(re.findall("[A-J]", text))
    else:
        letters = _by_text(text, options)
    if not letters:
        return "the reference is neither a letter nor an option of the question"
    return "the question has no such option" if options and not letters <= set(options) else letters


def _of_answer(text: str, options: Mapping[str, str]) -> tuple[str, set[str]]:
    """The rule that found something, and the letters named. What is announced counts; then letters in the last line,
    a letter at the head of the first, an option's text within the last."""
    found = final_answer(text)
    if found and found.rule in ("boxed", "hashes", "answer_line"):
        said = plain(found.answer)
        return found.rule, _letters(said, options) or _mentioned(said, options)
    lines = [plain(line) for line in text.splitlines() if line.strip()]
    if not lines:
        return "none", set()
    if letters := _letters(lines[-1], options):
        return "last_line", letters
    if alone := _ALONE.fullmatch(lines[0]) or _LABELLED.fullmatch(lines[0]):
        return "first_line", {(alone[1] or alone[2]).upper()}
    return "mention", _mentioned(lines[-1], options)


def _letters(text: str, options: Mapping[str, str]) -> set[str]:
    """By decreasing certainty: a letter alone, several letters, a letter with a text, "option B", an option's text."""
    if not text or len(text) > 4_096:
        return set()
    if alone := _ALONE.fullmatch(text):
        return {alone[1].upper()}
    if several := _SEVERAL.match(text):
        return set(re.findall("[A-J]", several[0]))
    if leading := _LEADING.match(text):
        return {leading[1]}
    if labelled := _LABELLED.fullmatch(text):
        letter = (labelled[1] or labelled[2]).upper()
        return {letter} | _by_text(labelled["text"], options)  # two where they are not the same option
    if exact := _by_text(text, options):
        return exact
    if _HEDGE.search(text):
        return set()
    for pattern in (_NAMED, _IN_BRACKETS, _CAPITAL):
        if letters := {(one[1] or one[one.lastindex or 1]).upper() for one in pattern.finditer(text)}:
            return letters
    return set()


def _by_text(text: str, options: Mapping[str, str]) -> set[str]:
    """The one option that says the same; none where two do."""
    folded, number = _folded(text), read(plain(text))
    if not folded:
        return set()
    met = {letter for letter, option in options.items() if _folded(option) == folded}
    if not met and number:
        values = {letter: read(option) for letter, option in options.items()}
        met = {letter for letter, value in values.items() if value and same(value, number)}
    return met if len(met) == 1 else set()


def _mentioned(text: str, options: Mapping[str, str]) -> set[str]:
    """Options whose text stands in a sentence; `iron` does not count within `iron oxide`."""
    if len(text) > 4_096 or _HEDGE.search(text):
        return set()
    words = f" {_folded(text)} "
    met = set()
    for letter, option in sorted(options.items(), key=lambda item: -len(item[1])):
        if (spelt := f" {_folded(option)} ") in words and len(spelt) > 3:
            met.add(letter)
            words = words.replace(spelt, " | ")
    return met


def _folded(text: str) -> str:
    return " ".join(_WORDS.findall(text.casefold().strip(" .,;:!*`'\"")))
