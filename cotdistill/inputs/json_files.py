"""JSON as people's files hold it: one value or several after each other, and the list of records inside it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from cotdistill.inputs.column_names import QUESTION_FIELDS, QUESTIONS_ELSEWHERE
from cotdistill.inputs.values import own_names

_QUESTIONS = frozenset((*QUESTION_FIELDS, *QUESTIONS_ELSEWHERE))
_BETWEEN = " \t\r\n,\x1e\ufeff"
"""What may stand between two values: commas at the ends of lines, and RFC 7464's mark of a record."""


def without_nan(line: bytes) -> bytes:
    """Python writes NaN for a missing number, which is no JSON: null instead."""
    if b"NaN" not in line and b"Infinity" not in line:
        return line
    try:
        return msgspec.json.encode(decoded(line))
    except (ValueError, TypeError):
        return line  # the one who reads it says what is wrong


def decoded(data: bytes) -> Any:
    """JSON, and Python's NaN as null. Raises ValueError in msgspec's words."""
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise ValueError("too deeply nested") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if b"NaN" not in data and b"Infinity" not in data:
            raise ValueError(str(error)) from None
        problem = str(error)
    try:
        found = json.loads(data, parse_constant=_constant)
        msgspec.json.encode(found)  # half a surrogate pair is no letter
    except (ValueError, RecursionError):
        raise ValueError(problem) from None
    return found


def in_sequence(data: bytes) -> list[Any]:
    """The values of a text that holds several, each on one line or on many. Raises ValueError where it holds none, or
    something else beside them."""
    text, at, found = data.decode(), 0, list[Any]()
    decoder = json.JSONDecoder(parse_constant=_constant)
    while True:
        while at < len(text) and text[at] in _BETWEEN:
            at += 1
        if at == len(text):
            break
        try:
            value, at = decoder.raw_decode(text, at)
        except RecursionError:
            raise ValueError("too deeply nested") from None
        found.append(value)
    if not found:
        raise ValueError("it is empty")
    msgspec.json.encode(found)  # raises for half a surrogate pair
    return found


def records_in(content: Any) -> list[Any] | None:
    """The records: the content itself, the one list of objects inside it as in `{"data": [...]}`, pandas' `columns` and
    `split`, objects by their ids, or one record alone. None for anything else."""
    if isinstance(content, list):
        return content
    if not isinstance(content, dict) or not content:
        return None
    if holds_question(content):
        return _columns(content) or [content]
    names, rows = content.get("columns"), content.get("data")
    if isinstance(names, list) and isinstance(rows, list) and all(_is_row(row, len(names)) for row in rows):
        return [dict(zip(map(str, names), row, strict=True)) for row in rows]
    lists = [one for one in content.values() if isinstance(one, list) and one and isinstance(one[0], dict)]
    if len(lists) == 1:
        return lists[0]
    if not lists and all(isinstance(one, dict) and holds_question(one) for one in content.values()):
        return [{"id": name, **one} for name, one in content.items()]
    return None


def holds_question(record: Mapping[str, Any]) -> bool:
    """Whether one of the usual columns of questions is there."""
    return not _QUESTIONS.isdisjoint(own_names(tuple(record)))


def rows_of(record: Any) -> Iterator[Any]:
    """The record, or the questions inside it, each with its passage, as SQuAD and MRQA nest them."""
    if not isinstance(record, dict):
        yield record
    elif isinstance(record.get("paragraphs"), list):
        outer = {name: value for name, value in record.items() if name != "paragraphs"}
        for paragraph in record["paragraphs"]:
            yield from rows_of({**outer, **paragraph} if isinstance(paragraph, dict) else paragraph)
    elif isinstance(record.get("qas"), list) and all(isinstance(one, dict) for one in record["qas"]):
        outer = {name: value for name, value in record.items() if name != "qas"}
        for one in record["qas"]:
            yield {**outer, **one}
    else:
        yield record


def _columns(content: Mapping[str, Any]) -> list[Any] | None:
    """pandas' `list` and `dict`: each column's values in a list, or by the numbers of their rows."""
    values = list(content.values())
    numbered = all(isinstance(one, dict) and all(map(str.isdecimal, one)) for one in values)
    if numbered and len({tuple(one) for one in values}) == 1:
        values = [list(one.values()) for one in values]
    first = values[0]
    if not isinstance(first, list) or not first or not all(_is_row(one, len(first)) for one in values):
        return None
    if any(isinstance(member, dict) for one in values for member in one):  # the turns of one chat
        return None
    return [dict(zip(content, row, strict=True)) for row in zip(*values, strict=True)]


def _is_row(value: Any, cells: int) -> bool:
    return isinstance(value, list) and len(value) == cells


def _constant(name: str) -> str | None:
    return None if name == "NaN" else name
