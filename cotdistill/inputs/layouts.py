"""One record of a user's file -> question and reference, by the usual columns and the layouts of public data sets.
docs/prompts.md lists them."""

from collections.abc import Mapping
from typing import Any

from cotdistill.inputs import reference
from cotdistill.inputs.choices import options_of
from cotdistill.inputs.column_names import (
    ANSWER_FIELDS,
    CHAT_FIELDS,
    CONTEXT_FIELDS,
    KEPT_AS_IS,
    QUESTION_FIELDS,
    QUESTIONS_ELSEWHERE,
    QUESTIONS_WITH_OPTIONS,
    REFERENCE_FIELDS,
    SYSTEM_FIELDS,
)
from cotdistill.inputs.conversations import chat, turns_of
from cotdistill.inputs.labelled import LABEL_FIELDS, TEXT_FIELDS
from cotdistill.inputs.programs import as_list, tests_of
from cotdistill.inputs.reading import Reading
from cotdistill.inputs.reference import SHOWN_TESTS
from cotdistill.inputs.right_option import right_letter
from cotdistill.inputs.values import Fields, SlipError, as_text, simple
from cotdistill.records import Message


def read(
    fields: Fields, prompt_field: str | None = None, reference_field: str | None = None, *, questions_only: bool = False
) -> Reading:
    """Raises ValueError that names the record's fault; with `questions_only` faults of its reference do not count."""
    column = _question_column(fields, prompt_field)
    value = fields.take(column)
    is_chat = bool(turns_of(value)) or column in CHAT_FIELDS
    reading = _chat(fields, column, value) if is_chat else _text(fields, column, value, keyed=not questions_only)
    _add_system(fields, reading)
    if questions_only:
        return reading
    if is_chat and reference_field is not None and simple(reference_field) in CHAT_FIELDS:
        reference.take_last_turn(reading)
    elif reference_field is not None:
        reference.take_reference(fields, reading, reference_field)
    elif tests := tests_of(fields, reading.question):
        reference.take_tests(fields, reading, tests)
    elif reading.options is None:
        reference.find_reference(fields, reading)
    return reading


def _question_column(fields: Fields, wanted: str | None) -> str:
    if wanted is not None and not fields.has(wanted):
        found = ", ".join(fields.raw)
        raise SlipError(f"no column {wanted!r} (--prompt-field); its columns are: {found}")
    candidates: tuple[str, ...] = (*QUESTION_FIELDS, *QUESTIONS_ELSEWHERE) if wanted is None else (wanted,)
    if column := fields.first(candidates):
        return column
    if wanted is None and fields.has("test_list"):  # MBPP
        candidates += ("text",)
    elif wanted is None and options_of(fields):
        candidates += QUESTIONS_WITH_OPTIONS
    elif wanted is None and any(map(fields.has, LABEL_FIELDS)):
        candidates += TEXT_FIELDS
    elif wanted is None and _lone_text(fields):
        candidates += TEXT_FIELDS[:1]
    if column := fields.first(candidates):
        return column
    if present := [name for name in candidates if fields.has(name)]:
        raise ValueError(f"{present[0]}: expected a question, got nothing")
    found = ", ".join(fields.raw) or "no columns"
    expected = ", ".join(QUESTION_FIELDS)
    raise SlipError(f"no question: expected one of {expected}, found {found}", names_no_question=True)


def _lone_text(fields: Fields) -> bool:
    """Whether `text` is the only column that is not known to hold something else. Beside others it may be an article,
    or the answer."""
    others = (*REFERENCE_FIELDS, *ANSWER_FIELDS, *SYSTEM_FIELDS, *CONTEXT_FIELDS, *KEPT_AS_IS)
    known = {fields.name(name) for name in fields.possible((TEXT_FIELDS[0], *others))}
    return known.issuperset(name for name in fields.raw if name)


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
    """A question in one column, with its parts in other columns: Alpaca's input, a passage, options, tests."""
    if isinstance(value, Mapping) and "stem" in value:  # ARC's own release
        value = value["stem"]
    if isinstance(value, bool):
        raise ValueError(f"{column}: expected text, got bool")
    question, joined, remarks, options = as_text(value, column), [], [], None
    parts = [question]
    if column == fields.name("instruction") and (extra := fields.first(("input", "context"))):  # Alpaca, Dolly
        parts.append(as_text(fields.take(extra), extra))
        joined.append(extra)
    elif (context := fields.first(CONTEXT_FIELDS)) and context != column and isinstance(fields.get(context), str):
        parts.insert(0, fields.take(context))
        joined.append(context)
    verifier = right = key_column = None
    options_in: tuple[str, ...] = ()
    if found := options_of(fields):
        letter, key_column = right_letter(fields, found) if keyed else (None, None)
        right, verifier, options = letter, "choice" if letter else None, found.lines()
        options_in = found.columns
        if not found.stand_in(question):
            parts.append(options)
            joined += found.columns
        remarks.append("options are lettered, the reference is a letter, the verifier is choice")
        for name in (*found.columns, *((key_column,) if key_column else ())):
            fields.use(name)
    elif tests := fields.get("test_list"):  # MBPP: only the tests say what the function is called
        parts.append(SHOWN_TESTS + "\n".join(map(str, as_list(tests))))
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
        reference=right,
        reference_from=repr(key_column) if key_column else None,
        answer=right,
        verifier=verifier,
        remarks=remarks,
    )


def _add_system(fields: Fields, reading: Reading) -> None:
    column = fields.first(SYSTEM_FIELDS)
    if column is None or not isinstance(fields.get(column), str) or reading.messages[0].role == "system":
        return
    reading.messages = (Message(role="system", content=fields.take(column)), *reading.messages)
    reading.question_from += f", system prompt from {column!r}"
