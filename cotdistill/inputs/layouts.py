"""One record of a person's file -> what is asked and what the right answer is: the usual columns and the layouts of
public data sets. docs/prompts.md lists them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cotdistill.inputs.accepted import accepted
from cotdistill.inputs.choices import options_of, right_letter
from cotdistill.inputs.column_names import (
    ANSWER_FIELDS,
    CHAT_FIELDS,
    CONTEXT_FIELDS,
    QUESTION_FIELDS,
    QUESTIONS_ELSEWHERE,
    QUESTIONS_WITH_OPTIONS,
    REFERENCE_FIELDS,
    SYSTEM_FIELDS,
)
from cotdistill.inputs.conversations import chat, turns_of
from cotdistill.inputs.labelled import LABEL_FIELDS, TEXT_FIELDS, check_named, label_column
from cotdistill.inputs.programs import Tests, as_list, assertions, hides_name, is_assertions, tests_of
from cotdistill.inputs.values import GAPS, Fields, SlipError, as_text, is_missing, kind, simple
from cotdistill.reasoning import split
from cotdistill.records import Message

SHORT_ANSWER = 100
"""In letters. A longer answer, or one of several lines, is no reference by itself: no verifier could compare it."""

_SHOWN_TESTS = "Your code should pass these tests:\n\n"
_ANNOUNCED = ("conclusion", "boxed", "hashes", "answer_line")


@dataclass
class Reading:
    """What one record says. `question_from` and `reference_from` name columns in words, `question` is the question
    without what was joined to it from the columns `joined`, `answer` is the reference before it was cut. `remark` says
    what a person should know who has such records."""

    messages: tuple[Message, ...]
    question_from: str
    question: str
    joined: frozenset[str] = frozenset()
    options: str | None = None
    options_in: tuple[str, ...] = ()
    reference: str | None = None
    reference_from: str | None = None
    answer: str | None = None
    verifier: str | None = None
    tests: bool = False
    """Whether the reference is tests of a program."""
    remarks: list[str] = field(default_factory=list)
    unused: frozenset[str] = frozenset()


def read(
    fields: Fields, prompt_field: str | None = None, reference_field: str | None = None, *, questions_only: bool = False
) -> Reading:
    """Raises ValueError that says what is wrong with the record; with `questions_only` not for its reference."""
    column = _question_column(fields, prompt_field)
    value = fields.take(column)
    is_chat = bool(turns_of(value)) or column in CHAT_FIELDS
    reading = _chat(fields, column, value) if is_chat else _text(fields, column, value, keyed=not questions_only)
    _add_system(fields, reading)
    if questions_only:
        return reading
    if is_chat and reference_field is not None and simple(reference_field) in CHAT_FIELDS:
        _take_last_turn(reading)
    elif reference_field is not None:
        _take_reference(fields, reading, reference_field)
    elif tests := tests_of(fields, reading.question):
        _take_tests(fields, reading, tests)
    elif reading.options is None:
        _find_reference(fields, reading)
    return reading


def _question_column(fields: Fields, wanted: str | None) -> str:
    if wanted is not None and not fields.has(wanted):
        raise SlipError(f"no column {wanted!r} (--prompt-field); its columns are: {', '.join(fields.raw)}")
    candidates: tuple[str, ...] = (*QUESTION_FIELDS, *QUESTIONS_ELSEWHERE) if wanted is None else (wanted,)
    if column := fields.first(candidates):
        return column
    if wanted is None and fields.has("test_list"):  # MBPP
        candidates += ("text",)
    elif wanted is None and options_of(fields):
        candidates += QUESTIONS_WITH_OPTIONS
    elif wanted is None and any(map(fields.has, LABEL_FIELDS)):
        candidates += TEXT_FIELDS
    if column := fields.first(candidates):
        return column
    if present := [name for name in candidates if fields.has(name)]:
        raise ValueError(f"{present[0]}: expected a question, got nothing")
    found = ", ".join(fields.raw) or "no columns"
    expected = ", ".join(QUESTION_FIELDS)
    raise SlipError(f"no question: expected one of {expected}, found {found}", names_no_question=True)


def _chat(fields: Fields, column: str, value: Any) -> Reading:
    found = chat(value, column)
    return Reading(
        messages=found.messages,
        question_from=repr(column),
        question=found.messages[-1].content,
        answer=found.answer,
        unused=found.unused,
        remarks=["blank turns of chats are left out"] if found.blank else [],
    )


def _text(fields: Fields, column: str, value: Any, *, keyed: bool) -> Reading:
    """A question in one column, with what belongs to it in others: Alpaca's input, a passage, options, tests."""
    if isinstance(value, Mapping) and "stem" in value:  # ARC's own release
        value = value["stem"]
    if isinstance(value, bool):
        raise ValueError(f"{column}: expected text, got bool")
    question, joined, remarks, options = as_text(value, column), [], [], None
    parts = [question]
    if column == "instruction" and (extra := fields.first(("input", "context"))):  # Alpaca, Dolly
        parts.append(as_text(fields.take(extra), extra))
        joined.append(extra)
    elif (context := fields.first(CONTEXT_FIELDS)) and context != column and isinstance(fields.get(context), str):
        parts.insert(0, fields.take(context))
        joined.append(context)
    verifier = reference = key_column = None
    options_in: tuple[str, ...] = ()
    if found := options_of(fields):
        letter, key_column = right_letter(fields, found) if keyed else (None, None)
        reference, verifier, options = letter, "choice" if letter else None, found.lines()
        options_in = found.columns
        if not found.stand_in(question):
            parts.append(options)
            joined += found.columns
        remarks.append("options are lettered, the reference is a letter, the verifier is choice")
        for name in (*found.columns, *((key_column,) if key_column else ())):
            fields.use(name)
    elif tests := fields.get("test_list"):  # MBPP: only the tests say what the function is called
        parts.append(_SHOWN_TESTS + "\n".join(map(str, as_list(tests))))
        joined.append("test_list")
    others = [name for name in dict.fromkeys(joined) if name != column]
    source = repr(column) + (f" with {', '.join(map(repr, others))}" if others else "")
    return Reading(
        messages=(Message(role="user", content="\n\n".join(part for part in parts if part.strip())),),
        question_from=source,
        question=question,
        joined=frozenset(joined),
        options=options,
        options_in=options_in,
        reference=reference,
        reference_from=repr(key_column) if key_column else None,
        answer=reference,
        verifier=verifier,
        remarks=remarks,
    )


def _add_system(fields: Fields, reading: Reading) -> None:
    column = fields.first(SYSTEM_FIELDS)
    if column is None or not isinstance(fields.get(column), str) or reading.messages[0].role == "system":
        return
    reading.messages = (Message(role="system", content=fields.take(column)), *reading.messages)
    reading.question_from += f", system prompt from {column!r}"


def _take_tests(fields: Fields, reading: Reading, tests: Tests) -> None:
    for name in tests.columns:
        fields.use(name)
    reading.reference = reading.answer = tests.text
    reading.tests = True
    reading.reference_from = " and ".join(map(repr, tests.columns))
    reading.verifier = "code"  # not run by that: filter then asks for --verify code instead of judging by spelling
    reading.remarks.append("the reference is a program's tests: judge with --verify code")
    is_bare = "entry_point" not in tests.columns and reading.messages[-1].content == reading.question
    if is_bare and hides_name(reading.question, tests.text):
        shown = Message(role="user", content=f"{reading.question}\n\n{_SHOWN_TESTS}{tests.text}")
        reading.messages = (*reading.messages[:-1], shown)
        reading.question_from += f" with {', '.join(map(repr, tests.columns))}"


def _find_reference(fields: Fields, reading: Reading) -> None:
    if found := accepted(fields, REFERENCE_FIELDS):
        _take_accepted(fields, reading, *found)
        return
    if column := fields.first(REFERENCE_FIELDS):
        _take_reference(fields, reading, column)
        return
    if column := label_column(fields, reading.question_from):
        check_named(fields.get(column), column)
        _take_reference(fields, reading, column)
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


def _take_last_turn(reading: Reading) -> None:
    """Whole, as a judge compares it."""
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


def _take_reference(fields: Fields, reading: Reading, column: str) -> None:
    value = fields.take(column)
    if value is None:
        return
    if isinstance(value, str) and value.strip() in GAPS:
        reading.remarks.append(f"{value.strip()!r} in {column!r} is read as no reference")
        return
    if isinstance(value, list) and (text := assertions(value)):
        _take_tests(fields, reading, Tests(text, (column,)))
        return
    if isinstance(value, list) and value and all(one == value[0] for one in value):
        value = value[0]
    elif isinstance(value, Mapping) and "value" in value and ("aliases" in value or "normalized_value" in value):
        value = value["value"]  # TriviaQA
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
    from cotdistill.answers.extract import cut_reference  # its patterns take long to build, and most need none

    reading.reference = cut_reference(text)
    reading.verifier = None


def _final(text: str) -> str | None:
    """The final answer of a written answer: what it announces, or all of it where it is short."""
    from cotdistill.answers.extract import cut_reference, final_answer

    visible = split(text).answer.strip()
    cut = cut_reference(visible)
    if cut != visible:
        return cut
    if (found := final_answer(visible)) and found.rule in _ANNOUNCED:
        return found.answer
    return visible if visible and len(visible) <= SHORT_ANSWER and "\n" not in visible else None
