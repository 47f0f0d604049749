"""Which option of a multiple-choice record is right: a letter, a number or a text says so."""

import re
from collections.abc import Mapping
from typing import Any

from cotdistill.inputs.choices import COLUMN, LETTERS, Options
from cotdistill.inputs.values import Fields, as_text, shown, simple

INDEX_COLUMNS = ("answer_idx", "answer_index", "correct_idx", "correct_index", "label", "cop", "gold", "correct_option")
KEY_COLUMNS = (
    *("answer_idx", "answer_index", "correct_idx", "correct_index", "answerkey", "answer_key", "correct_option"),
    *("correct", "correct_answer", "cop", "label", "gold", "answer", "target", "reference", "solution"),
)
ZERO_BASED = {"sol": ("label",), "choice": ("label",)}
"""PIQA's sol1 and sol2, COPA's choice1 and choice2: their label counts from 0."""
_LETTER = re.compile(r"\s*[(\[]?([A-Za-z])(?:[)\].:]+(?:\s.*)?)?\s*", re.DOTALL)


def right_letter(fields: Fields, options: Options) -> tuple[str | None, str | None]:
    """The right option's letter, several as "A, C", and the column that names it; None where no column does.

    Raises ValueError for a key that is none of the options, or may be two of them."""
    if options.right:
        return ", ".join(LETTERS[place] for place in options.right), options.columns[0]
    problem: ValueError | None = None
    for column in KEY_COLUMNS:
        value = fields.get(column)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, list) and len(value) > 1 and fields.name(column) not in options.columns:
            places = sorted({_place(as_text(one, column), one, column, options) for one in value})
            return ", ".join(LETTERS[place] for place in places), fields.name(column)
        if value is None or isinstance(value, bool | list | Mapping) or fields.name(column) in options.columns:
            continue
        if str(value) == "-1":  # a test set whose answers are held back
            continue
        try:
            place = _place(as_text(value, column), value, column, options)
        except ValueError as error:
            problem = problem or error
            continue
        return LETTERS[place], fields.name(column)
    if problem:
        raise problem
    return None, None


def _place(key: str, value: Any, column: str, options: Options) -> int:
    labels = [label.casefold() for label in options.labels]
    own = labels or list(LETTERS[: len(options.texts)].casefold())
    if (named := _by_name(key, labels, own, options)) is not None:
        return named
    readings = set()
    if key.strip() in options.counted and column not in ZERO_BASED.get(options.columns[0][:-1].casefold(), ()):
        readings.add(options.counted.index(key.strip()))
    index = int(key) if key.strip().isdecimal() and int(key) < len(options.texts) and not options.gap else None
    counts = column in INDEX_COLUMNS or (_is_number(value) and not options.counted)
    if index is not None and counts and not readings and not any(_is_number(one) for one in options.plain):
        return index
    if index is not None and (column in INDEX_COLUMNS or not options.counted):
        readings.add(index)
    letter = _LETTER.fullmatch(key)
    if letter and letter[1].casefold() in own:
        readings.add(own.index(letter[1].casefold()))
    same = [place for place, text in enumerate(options.texts) if _folded(text) == _folded(key)]
    if len(same) == 1:
        readings.update(same)
    if len(readings) == 1:
        return readings.pop()
    if readings:
        both = " or ".join(LETTERS[place] for place in sorted(readings))
        raise ValueError(f"{column}: {shown(key)!r} may be option {both}; write the letter of the right option")
    expected = (
        "a letter or the option's text, as a number may count the blank option or not"
        if options.gap
        else "a letter, the option's text, or its number counted from 0"
    )
    raise ValueError(f"{column}: {shown(key)!r} is none of the {len(options.texts)} options; expected {expected}")


def _by_name(key: str, labels: list[str], own: list[str], options: Options) -> int | None:
    """The option whose label, column ("option2") or letter behind a word ("Option B") the key is."""
    if key.strip().casefold() in labels:
        return labels.index(key.strip().casefold())
    columns = [simple(column) for column in options.columns]
    if len(columns) > 1 and simple(key) in columns:
        return columns.index(simple(key))
    found = COLUMN.fullmatch(simple(key))
    return own.index(found["label"]) if found and found["stem"] and found["label"] in own else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .")
