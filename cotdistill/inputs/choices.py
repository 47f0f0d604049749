"""Multiple-choice sets: options in a list, an object or columns of their own. Which is right: `right_option`.

Read are the layouts of MMLU and MMLU-Pro, ARC, OpenBookQA and CommonsenseQA, AQuA, HellaSwag, MedQA and MedMCQA,
LogiQA, RACE, PIQA, WinoGrande, SIQA, SciQ and GPQA.
"""

import ast
import json
import re
import string
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from cotdistill.inputs.values import Fields, as_text, is_missing, own_names

LETTERS = string.ascii_uppercase
OPTION_COLUMNS = ("choices", "options", "endings")
OPTIONS_IN_QUESTION = ("choices", "question.choices", "options", "question.options", "endings", "question.endings")
_OWN_LETTER = re.compile(r"\s*[(\[]?([A-Za-z])[)\].:]\s*(.*)", re.DOTALL)
_COLUMN = re.compile(r"(?P<stem>|op|opt|option|choice|ans|answer|alternative|sol|ending)_?(?P<label>[a-j]|\d)")
_WRONG = re.compile(r"(?:incorrect_answer|distractor|wrong_answer)_?(\d)")


class Options(NamedTuple):
    """The options in the file's order. `labels` are the file's own, such as ARC's A to D or 1 to 4; `right` is the
    place of the right one where the layout itself says it."""

    texts: tuple[str, ...]
    plain: tuple[Any, ...]
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    right: int | None = None
    counted: tuple[str, ...] = ()
    """The digits in the names of columns such as option1: which of them a number means depends on who counts."""
    gap: bool = False
    """Whether one before the last was blank and is left out: a number may then count it or not, and tells nothing."""

    def lines(self) -> str:
        """`A) …` on a line each, as the verifier `choice` reads them."""
        return "\n".join(f"{LETTERS[place]}) {' '.join(text.split())}" for place, text in enumerate(self.texts))

    def stand_in(self, question: str) -> bool:
        """Whether the question shows its options already."""
        return all(
            re.search(rf"\b{LETTERS[place]}[).:\]]\s*{re.escape(text.strip())}", question)
            for place, text in enumerate(self.texts)
        )


def options_of(fields: Fields) -> Options | None:
    """The record's options, or None where it has none; a value that only looks like some is no error."""
    inside = isinstance(fields.get("question"), Mapping)  # ARC's own release
    for column in fields.possible(OPTIONS_IN_QUESTION if inside else OPTION_COLUMNS):
        value = fields.get(column)
        if value is not None and (found := _in_one_column(value, fields.name(column) or "question")):
            return found
    if isinstance(answers := fields.get("answers"), list) and fields.get("label") is not None:  # ReClor; not SQuAD
        return _in_one_column(answers, fields.name("answers") or "answers")
    return _in_columns(fields) or _right_and_wrong(fields)


def _in_one_column(value: Any, column: str) -> Options | None:
    if isinstance(value, str):
        value = list_in_text(value)
    labels: list[Any] = []
    if isinstance(value, Mapping):
        inner = Fields(value)
        if isinstance(inner.get("text"), list):
            value, labels = inner.get("text"), inner.get("label") or []
        elif all(len(str(name)) == 1 for name in value):
            labels, value = list(value), list(value.values())
    elif isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
        labels = [_first(one, ("label", "key", "id", "letter")) for one in value]
        value = [_first(one, ("text", "value", "content", "option")) for one in value]
        labels = [] if None in labels else labels
    if not isinstance(value, list) or not 2 <= len(value) <= len(LETTERS):
        return None
    present = [place for place, one in enumerate(value) if not is_missing(one)]
    if len(present) < 2:
        return None
    try:
        texts = [as_text(value[place], column) for place in present]
        own = [as_text(one, column) for one in labels] if len(labels) == len(value) else []
    except ValueError:
        return None
    gap = _has_gap(present)
    own = [(own or LETTERS)[place] for place in present] if own or gap else []
    found = [_OWN_LETTER.fullmatch(text) for text in texts]
    if all(one and one[1].upper() == LETTERS[place] for place, one in zip(present, found, strict=True)):  # "A)21"
        texts = [one[2] for one in found if one]
    return Options(tuple(texts), tuple(value[place] for place in present), tuple(own), (column,), gap=gap)


def _has_gap(present: Sequence[int]) -> bool:
    """Whether a blank option stands before one that is there; blank ones at the end are only fewer options."""
    return list(present) != list(range(len(present)))


def _in_columns(fields: Fields) -> Options | None:
    """Options in columns of their own: A to D, option_a, opa, choice1, sol1 …"""
    for (stem, digits), columns in _families(fields.columns).items():
        labels = sorted(columns)
        first = labels[0] if digits and labels[0] in "01" else "a"
        expected = [chr(ord(first) + place) for place in range(len(labels))]
        present = [place for place, label in enumerate(labels) if fields.get(columns[label]) is not None]
        if labels != expected or len(labels) < (2 if stem else 3) or (not stem and digits) or len(present) < 2:
            continue
        labels = [labels[place] for place in present]
        values = [fields.get(columns[label]) for label in labels]
        if any(isinstance(value, list | Mapping | bool) for value in values):
            continue
        gap = _has_gap(present)
        # SIQA counts its answerA to answerC from 1.
        own_labels = ("1", "2", "3") if stem == "answer" and labels == ["a", "b", "c"] else ()
        return Options(
            texts=tuple(as_text(value, stem) for value in values),
            plain=tuple(values),
            labels=tuple(labels) if gap and not digits else own_labels,
            columns=tuple(columns[label] for label in labels),
            counted=tuple(labels) if digits else (),
            gap=gap,
        )
    return None


@lru_cache(256)
def _families(columns: tuple[str, ...]) -> dict[tuple[str, bool], dict[str, str]]:
    """Those that may hold an option each: their own names by label, for each stem and whether its labels are digits."""
    families: dict[tuple[str, bool], dict[str, str]] = {}
    for name, own in own_names(columns).items():
        if found := _COLUMN.fullmatch(name):
            label = found["label"]
            families.setdefault((found["stem"], label.isdigit()), {})[label] = own
    return families


def _right_and_wrong(fields: Fields) -> Options | None:
    """SciQ's and GPQA's layout, the right answer in one column and wrong ones in others: in an order that the texts
    alone decide, so that the right one is not always first."""
    right = fields.get("correct_answer")
    if right is None:
        return None
    wrong = [
        own for name, own in own_names(fields.columns).items() if _WRONG.fullmatch(name) and fields.get(own) is not None
    ]
    if not wrong:
        return None
    values = [right, *map(fields.get, wrong)]
    if any(isinstance(value, list | Mapping | bool) for value in values):
        return None
    texts = sorted((as_text(value, "") for value in values), key=lambda text: sha256(text.encode()).digest())
    columns = (fields.name("correct_answer") or "", *wrong)
    return Options(tuple(texts), tuple(texts), (), columns, texts.index(as_text(right, "")))


def list_in_text(text: str) -> Any:
    """A list as a CSV cell holds it: JSON, or Python's own writing."""
    if not text.lstrip().startswith(("[", "{")) or len(text) > 100_000:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _first(value: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((value[name] for name in names if name in value), None)
