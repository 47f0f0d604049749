"""The right answer of one record: a column's text or what it announces, several that are each right, or tests."""

import json
from collections.abc import Mapping
from typing import Any

from cotdistill.inputs.accepted import accepted
from cotdistill.inputs.choices import list_in_text
from cotdistill.inputs.column_names import ANSWER_FIELDS, CHAT_FIELDS, REFERENCE_FIELDS
from cotdistill.inputs.labelled import check_named, label_column
from cotdistill.inputs.programs import Tests, assertions, hides_name, is_assertions
from cotdistill.inputs.reading import Reading
from cotdistill.inputs.values import GAPS, Fields, SlipError, as_text, is_missing, kind
from cotdistill.reasoning import split
from cotdistill.records import Message

SHORT_ANSWER = 100
"""Letters. A longer answer, or one of several lines, is no reference by itself, because no verifier could compare
it."""

SPANS = "answers_spans.spans"
"""DROP's answer."""

SHOWN_TESTS = "Your code should pass these tests:\n\n"
_ANNOUNCED = ("conclusion", "boxed", "hashes", "answer_line")


def take_tests(fields: Fields, reading: Reading, tests: Tests) -> None:
    """A program's tests as reference; they are shown with the question if only they name the function."""
    for name in tests.columns:
        fields.use(name)
    reading.reference = reading.answer = tests.text
    reading.tests = True
    reading.reference_from = " and ".join(map(repr, tests.columns))
    reading.verifier = "code"  # not run by that: filter then asks for --verify code instead of judging by spelling
    reading.remarks.append("the reference is a program's tests: judge with --verify code")
    is_bare = "entry_point" not in tests.columns and reading.messages[-1].content == reading.question
    if is_bare and hides_name(reading.question, tests.text):
        shown = Message(role="user", content=f"{reading.question}\n\n{SHOWN_TESTS}{tests.text}")
        reading.messages = (*reading.messages[:-1], shown)
        reading.question_from += f" with {', '.join(map(repr, tests.columns))}"


def find_reference(fields: Fields, reading: Reading) -> None:
    """The reference in the usual columns. Raises ValueError for a value that cannot be one."""
    if found := accepted(fields, REFERENCE_FIELDS):
        _take_accepted(fields, reading, *found)
        return
    if isinstance(spans := fields.get(SPANS), list) and spans and fields.first(REFERENCE_FIELDS) is None:
        _take_spans(fields, reading, spans)
        return
    if column := fields.first(REFERENCE_FIELDS):
        take_reference(fields, reading, column)
        return
    if column := label_column(fields, reading.question_from):
        check_named(fields.get(column), column)
        take_reference(fields, reading, column)
        return
    column = fields.first(ANSWER_FIELDS) if reading.answer is None else None
    if column is not None:
        reading.answer = as_text(fields.take(column), column)
    if reading.answer is None:
        return
    name, option = (repr(column), column) if column else ("the last turn", CHAT_FIELDS[0])
    reading.reference = _final(reading.answer)
    if reading.reference is None:
        reading.remarks.append(f"long answers in {name} are no references; --reference-field {option} takes them whole")
    else:
        reading.reference_from = name


def _take_spans(fields: Fields, reading: Reading, spans: list[object]) -> None:
    """One span. Several may be one answer together, or those of several people: DROP does not tell them apart."""
    if any(one != spans[0] for one in spans):
        fields.use(SPANS)
        reading.remarks.append(f"several spans in {SPANS!r} are no reference")
        return
    take_reference(fields, reading, SPANS)


def take_last_turn(reading: Reading) -> None:
    """The whole last turn as reference, as a judge compares it."""
    if reading.answer is not None:
        reading.reference, reading.reference_from = reading.answer.strip(), "the last turn"


def _take_accepted(fields: Fields, reading: Reading, column: str, texts: list[str]) -> None:
    fields.use(column)
    reading.reference_from = repr(column)
    reading.reference = texts[0] if len(texts) == 1 else json.dumps(texts, ensure_ascii=False)
    reading.answer = reading.reference
    reading.verifier = None if len(texts) == 1 else "any_of"
    if len(texts) > 1:
        reading.remarks.append(f"each answer that {column!r} lists is right, the verifier is any_of")


def take_reference(fields: Fields, reading: Reading, column: str) -> None:
    """The reference in this column. Raises ValueError for a value that cannot be one."""
    value = fields.take(column)
    if value is None:
        return
    if isinstance(value, str) and value.strip() in GAPS:
        reading.remarks.append(f"{value.strip()!r} in {column!r} is read as no reference")
        return
    if isinstance(value, list) and (text := assertions(value)):
        take_tests(fields, reading, Tests(text, (column,)))
        return
    value = _single(value)
    if is_missing(value):
        return
    if isinstance(value, list | Mapping):
        inside = f", such as {column}.{next(iter(value))}" if isinstance(value, Mapping) else ""
        advice = (
            f"name the column of one with --reference-field{inside}, or call it accepted_answers where each is right"
        )
        raise SlipError(f"{column}: expected one reference, got {kind(value)}; {advice}")
    text = as_text(value, column)
    if is_missing(text):
        return
    reading.answer, reading.reference_from, reading.tests = text, repr(column), is_assertions(text)
    from cotdistill.answers.worked import cut_reference  # its patterns take long to build, and most need none

    reading.reference = cut_reference(text)
    reading.verifier = None


def _single(value: Any) -> Any:
    """The value itself where a list or an object holds it alone; gaps in a list do not count."""
    if isinstance(value, str) and value.lstrip().startswith(('["', "['")):  # Skywork-OR1: a list in a text
        listed = list_in_text(value)
        return listed[0] if isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], str) else value
    if isinstance(value, list):
        value = [one for one in value if not is_missing(one)]
        return value[0] if value and all(one == value[0] for one in value) else value
    if isinstance(value, Mapping) and "value" in value and ("aliases" in value or "normalized_value" in value):
        return value["value"]  # TriviaQA
    return value


def _final(text: str) -> str | None:
    """The final answer of a written answer: what it announces, or all of it where it is short."""
    from cotdistill.answers.extract import final_answer
    from cotdistill.answers.worked import cut_reference

    visible = split(text).answer.strip()
    cut = cut_reference(visible)
    if cut != visible:
        return cut
    if (found := final_answer(visible)) and found.rule in _ANNOUNCED:
        return found.answer
    return visible if visible and len(visible) <= SHORT_ANSWER and "\n" not in visible else None
