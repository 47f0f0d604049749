"""Multiple-choice sets: options in a list, an object or columns of their own. Which is right: `right_option`.

Read are the layouts of MMLU and MMLU-Pro, ARC, OpenBookQA and CommonsenseQA, AQuA, HellaSwag, MedQA and MedMCQA,
LogiQA, RACE, PIQA, WinoGrande, SIQA, SciQ, GPQA, TruthfulQA, BIG-bench and MathQA.
"""

import ast
import json
import re
import string
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from cotdistill.inputs.values import Fields, as_text, is_missing, own_names, simple

LETTERS = string.ascii_uppercase
OPTION_COLUMNS = ("choices", "options", "endings", "mc1_targets", "target_scores")
OPTIONS_IN_QUESTION = ("choices", "question.choices", "options", "question.options", "endings", "question.endings")
RIGHT_FIRST = ("mc1_targets",)
"""TruthfulQA's options: the right one is always the first."""
FLAGS = ("correct", "is_correct", "iscorrect", "is_answer", "right")
"""Say of one option whether it is right."""
FLAG_LISTS = ("labels", "label", *FLAGS)
"""Say it of all of them, in a list beside theirs."""
_OWN_LETTER = re.compile(r"\s*[(\[]?([A-Za-z])[)\].:]\s*(.*)", re.DOTALL)
_LETTERED = re.compile(r"(?:^|[,;\n])\s*[(\[]?([A-Ja-j])\s?[)\].:]\s")
COLUMN = re.compile(r"(?P<stem>|op|opt|option|choice|ans|answer|alternative|sol|ending)_?(?P<label>[a-j]|\d)")
_WRONG = re.compile(r"(?:incorrect_answer|distractor|wrong_answer)_?(\d)")


class Options(NamedTuple):
    """The options in the file's order. `labels` are the file's own, such as ARC's A to D or 1 to 4; `right` are the
    places of the right ones where the layout itself says it."""

    texts: tuple[str, ...]
    plain: tuple[Any, ...]
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    right: tuple[int, ...] = ()
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
        flags = next((name for name in FLAG_LISTS if isinstance(fields.get(name), list)), None)
        beside = fields.get(flags) if flags else None
        if value is not None and (found := _in_one_column(value, fields.name(column) or "question", beside)):
            if flags and found.right:
                fields.use(flags)
            return _mixed(found) if column in RIGHT_FIRST and found.right else found
    if isinstance(answers := fields.get("answers"), list) and fields.get("label") is not None:  # ReClor; not SQuAD
        return _in_one_column(answers, fields.name("answers") or "answers")
    return _in_columns(fields) or _right_and_wrong(fields)


def _in_one_column(value: Any, column: str, beside: list[Any] | None = None) -> Options | None:
    """`beside` are the flags of a list beside the options."""
    if isinstance(value, str):
        value = list_in_text(value) or _lettered(value)
    value, labels, flags = _listed(value)
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
    right = _flagged(flags or beside, len(value))
    return Options(
        texts=tuple(texts),
        plain=tuple(value[place] for place in present),
        labels=tuple(own),
        columns=(column,),
        right=tuple(place for place, of_all in enumerate(present) if of_all in right),
        gap=gap,
    )


def _listed(value: Any) -> tuple[Any, list[Any], list[Any] | None]:
    """The options, their labels, and what says of each whether it is right."""
    if isinstance(value, Mapping):
        inner = Fields(value)
        if isinstance(inner.get("text"), list):
            return inner.get("text"), inner.get("label") or [], None
        if isinstance(inner.get("choices"), list):
            return inner.get("choices"), [], inner.get("labels")
        if all(len(str(name)) == 1 for name in value):
            return list(value.values()), list(value), None
        if all(one in (0, 1) for one in value.values()):  # BIG-bench
            return list(value), [], list(value.values())
        named = [COLUMN.fullmatch(simple(str(name))) for name in value]
        if len({one["stem"] for one in named if one}) == 1 and None not in named:  # option_a, option_b
            return list(value.values()), [one["label"] for one in named if one], None
    if isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
        labels = [_first(one, ("label", "key", "id", "letter")) for one in value]
        texts = [_first(one, ("text", "value", "content", "option")) for one in value]
        flags = [_first(one, FLAGS) for one in value]
        return texts, [] if None in labels else labels, None if None in flags else flags
    return value, [], None


def _lettered(text: str) -> list[str] | None:
    """MathQA's options in one text: `a ) 38 , b ) 27.5`."""
    found = list(_LETTERED.finditer(text)) if len(text) < 10_000 else []
    letters = "".join(one[1] for one in found).upper()
    if len(found) < 2 or found[0].start() or letters != LETTERS[: len(found)]:
        return None
    ends = [one.start() for one in found[1:]] + [len(text)]
    return [text[one.end() : end].strip() for one, end in zip(found, ends, strict=True)]


def _flagged(flags: Any, options: int) -> frozenset[int]:
    """The options that are marked as right with true or 1, the others with false or 0; none where the list says
    something else."""
    if not isinstance(flags, list) or len(flags) != options or any(flag not in (0, 1) for flag in flags):
        return frozenset()
    return frozenset(place for place, flag in enumerate(flags) if flag)


def _mixed(options: Options) -> Options:
    """In an order that the texts alone decide, so that the right one is not always first."""
    order = sorted(range(len(options.texts)), key=lambda place: sha256(options.texts[place].encode()).digest())
    return options._replace(
        texts=tuple(options.texts[place] for place in order),
        plain=tuple(options.plain[place] for place in order),
        labels=(),
        right=tuple(place for place, before in enumerate(order) if before in options.right),
    )


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
        if found := COLUMN.fullmatch(name):
            label = found["label"]
            families.setdefault((found["stem"], label.isdigit()), {})[label] = own
    return families


def _right_and_wrong(fields: Fields) -> Options | None:
    """SciQ's and GPQA's layout, the right answer in one column and wrong ones in others."""
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
    texts = tuple(as_text(value, "") for value in values)
    columns = (fields.name("correct_answer") or "", *wrong)
    return _mixed(Options(texts, texts, (), columns, right=(0,)))


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
