"""Which of a question's options a text chooses: by letter, by number, or by the option's own text."""

import re
from collections.abc import Mapping

from cotdistill.answers.corrections import revision, was_thought
from cotdistill.answers.extract import final_answer, last_resort
from cotdistill.answers.hedges import DENIES, DOUBTS, REFUSES, without_questions
from cotdistill.answers.labels import label_of
from cotdistill.answers.letters import ALONE, LABELLED, LETTER, SEVERAL, TOGETHER, letters_in, masked, without_reason
from cotdistill.answers.markup import as_seen
from cotdistill.answers.numbers import read_number
from cotdistill.answers.options import by_text_of, folded_option
from cotdistill.answers.spelling import plain
from cotdistill.answers.stated import stated
from cotdistill.answers.yes_no import YES_NO

_OR = re.compile(rf"(?<![\w']){LETTER},? (?:or|and/or|oder|ou|o|или) {LETTER}")
_SENTENCE = re.compile(r"(?:(?<=\w\w[.!?])|(?<=\w [A-Z]\.)|(?<=[)\]\"'%…][.!?]))\s+(?=[A-Z(\[*])|(?<=[。！？])")
_ANNOUNCED = ("conclusion", "tag", "json", "boxed", "hashes", "answer_line")


def chosen_by_reference(reference: str, options: Mapping[str, str]) -> set[str] | str:
    """The right letters, or what is wrong with the reference."""
    if not reference:
        return "the prompt has no reference"
    text = plain(reference)
    if len(text) > 2 and (by_text := by_text_of(text, options)):
        return by_text
    names: set[str] = set()
    if alone := ALONE.fullmatch(text):
        names = {alone[1].upper()}
        if alone[1].isdigit() and alone[1] not in options:
            names = by_text_of(text, options)
    elif labelled := LABELLED.fullmatch(text):
        names = {(labelled[1] or labelled[2]).upper()}
        meant = by_text_of(labelled["text"], options)
        if meant and meant != names:
            return "the reference's letter and its text are two options"
    elif SEVERAL.fullmatch(text) or (TOGETHER.fullmatch(text) and list(text) == sorted(set(text))):
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
        letters = letters_in(said, options) or _mentioned(said, options)
        behind = text.rpartition(found.answer)[2].lstrip("*.:) ").partition("\n")[0]
        return found.rule, letters | by_text_of(plain(behind), options)  # "C. iron": its sentence ends with the letter
    lines = [plain(line) for line in as_seen(text).splitlines() if line.strip()]
    if not lines or REFUSES.search(masked(lines[-1], options)):
        return "none", set()
    first = ALONE.fullmatch(lines[0])
    if first and first[1].isalpha() and len(lines) > 1 and revision(" ".join(lines[1:])).stands:
        return "first_line", {first[1].upper()}
    last = lines[-1].replace("**", "")
    labels = {label[1] or label[2] for line in lines if (label := LABELLED.fullmatch(line))}
    if len(labels) > 1 and LABELLED.fullmatch(last):
        return "none", set()  # each option is looked at, and none is taken
    for part in dict.fromkeys((_SENTENCE.split(last)[-1], last)):
        if was_thought(part):
            return "last_line", set()
        judged = revision(part[1:])  # "C... no, B"
        if not judged.stands:
            return "last_line", letters_in(judged.instead or "", options)
        if letters := letters_in(part, options):
            return "last_line", letters | _headline(text)
    alone = None if DENIES.search(lines[0]) else LABELLED.fullmatch(lines[0])
    if alone and not (alone[1] or alone[2]).isdigit():
        return "first_line", {(alone[1] or alone[2]).upper()}
    return "mention", _mentioned(_CONCESSION.sub("", last), options)


_ELLIPSIS = re.compile(r"(.{1,200}?) (?:is|are|was|were|does|do|did|can|has)[.!]?")
"""It says yes to what the sentence before denies of another: "It is not iron. Tin is." """
_CONCESSION = re.compile(r"^(?:while|although|though|even though|despite|whereas)\b[^,]{1,200}, ", re.IGNORECASE)
"""What a sentence grants before it says the answer: "While iron is heavy, the metal that melts first is tin." """


def _headline(text: str) -> set[str]:
    """The letter of the option that stands in bold on the first line, as an answer that is then explained."""
    first = text.strip().partition("\n")[0].strip()
    label = LABELLED.fullmatch(first.strip("*")) if re.fullmatch(r"\*\*[^*]{1,200}\*\*", first) else None
    return {(label[1] or label[2]).upper()} if label else set()


def leaves_open(text: str) -> bool:
    """Whether the answer of a text is "A or C", which are not both."""
    found = final_answer(text)
    return bool(_OR.search(found.answer if found else text.strip().rpartition("\n")[2]))


def _mentioned(text: str, options: Mapping[str, str]) -> set[str]:
    """Options whose text stands in a sentence; `iron` does not count within `iron oxide`. Among numbers it is the one
    that the sentence states, and of yes and no the one that it says."""
    text = without_questions(text)
    if len(text) > 4_096:
        return set()
    spoken = masked(text, options)
    if (bare := _ELLIPSIS.fullmatch(_SENTENCE.split(text)[-1])) and DENIES.search(spoken):
        return by_text_of(bare[1], options)
    if DENIES.search(spoken) or DOUBTS.search(spoken):
        return set()
    words = f" {folded_option(without_reason(text))} "
    met = _by_number(text, options)
    for name, option in sorted(options.items(), key=lambda item: -len(item[1])):
        spelt = f" {folded_option(option)} "
        if side := next((side for side, said in YES_NO.items() if spelt.strip() in said), None):
            met |= {name} if label_of(text) == side else set()
        elif spelt in words and len(spelt) > 3 and not read_number(option) and f" no{spelt}" not in words:
            met.add(name)
            words = words.replace(spelt, " | ")
    return met


def _by_number(text: str, options: Mapping[str, str]) -> set[str]:
    """The option that is the number which a text states."""
    said = last_resort(text) if any(read_number(option) for option in options.values()) else None
    return (by_text_of(said.answer, options) or by_text_of(stated(said.answer) or "", options)) if said else set()
