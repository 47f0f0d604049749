"""Tests of programs, as public data sets have them -> a reference that the verifier `code` reads; and the programs
that stand beside them -> answers."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from cotdistill.inputs.values import Fields

_MOST_CASES = 200
_IMPORT = re.compile(r"^(?:from|import) .+", re.MULTILINE)
_TEST_COLUMNS = ("tests", "test", "test_cases", "unit_tests", "unit_test", "asserts", "assertions", "test_code")
"""Columns of people's own files, taken for tests where such stand in them."""
_ASSERTION = re.compile(r"^[ \t]*(?:assert\b|self\.assert\w+\(|with pytest\.raises)", re.MULTILINE)
_CALLED = re.compile(r"\bassert\s+(?:not\s+)?\(?\s*(?:\w+\()*?([A-Za-z_]\w*)\(")
_PROGRAM_COLUMNS = ("canonical_solution", "code", "program", "solution", "solutions", "reference_solution")


class Tests(NamedTuple):
    """The tests as one text, and the columns they come from."""

    text: str
    columns: tuple[str, ...]


def tests_of(fields: Fields, question: str) -> Tests | None:
    """HumanEval's, MBPP's, APPS' pairs of input and output; None where a record has none."""
    test, entry, listed = fields.get("test"), fields.get("entry_point"), fields.get("test_list")
    if isinstance(test, str) and isinstance(entry, str):
        suite = {"test": test, "entry_point": entry}
        if imports := "\n".join(_IMPORT.findall(question)):  # that an answer may leave out
            suite["setup"] = imports
        return Tests(json.dumps(suite, ensure_ascii=False), ("test", "entry_point"))
    if listed is not None:
        setup = [*as_list(fields.get("test_imports") or []), fields.get("test_setup_code") or ""]
        lines = list(map(str, [*setup, *as_list(listed)]))
        beside = [name for name in ("test_imports", "test_setup_code") if fields.get(name) is not None]
        return Tests("\n".join(line for line in lines if line.strip()), ("test_list", *beside))
    if cases := _cases(fields.get("input_output")):
        return Tests(cases, ("input_output",))
    column = fields.first(_TEST_COLUMNS)
    text = assertions(fields.get(column)) if column else None
    return Tests(text, (column,)) if text and column else None


def assertions(value: Any) -> str | None:
    """A list of assertions, also as JSON in a text, or a text with some, as one text; None for anything else."""
    lines = as_list(value)
    if not lines or not all(isinstance(line, str) and _ASSERTION.search(line) for line in lines):
        return None
    return "\n".join(lines)


def is_assertions(text: str) -> bool:
    """Whether a text is nothing but assertions, with what they import: a reference then, and no answer."""
    lines = [line for line in text.splitlines() if line[:1].strip()]
    starts = [line.split()[0] for line in lines]
    return "assert" in starts and all(start in ("assert", "import", "from", ")", "]", "}") for start in starts)


def hides_name(question: str, tests: str) -> bool:
    """Whether a function is tested that the question does not name, so that its name cannot be known."""
    called = _CALLED.search(tests)
    return called is not None and re.search(rf"\b{called[1]}\b", question) is None


def programs_of(fields: Fields, question: str) -> list[str]:
    """Programs that a record has beside its tests, each as an answer shows it. A body alone, as HumanEval has it, comes
    after the question, which begins the function."""
    for column in _PROGRAM_COLUMNS:
        value = fields.get(column)
        found = [one for one in as_list(value) if isinstance(one, str) and one.strip()] if value is not None else []
        if found:
            fields.use(column)
            whole = [f"{question.rstrip()}\n{one}" if one[:1] in " \t" else one for one in found]
            return [f"```python\n{one.strip()}\n```" for one in whole]
    return []


def _cases(value: Any) -> str | None:
    """`{"inputs": […], "outputs": […]}` as the verifier's list of stdin and stdout; None for calls of a function."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, Mapping) or found.get("fn_name"):
        return None
    inputs, outputs = found.get("inputs"), found.get("outputs")
    if not isinstance(inputs, list) or not isinstance(outputs, list) or not 0 < len(inputs) == len(outputs):
        return None
    if not all(isinstance(text, str) for text in [*inputs, *outputs]):
        return None
    pairs = zip(inputs, outputs, strict=True)
    return json.dumps([{"stdin": one, "stdout": other} for one, other in pairs][:_MOST_CASES], ensure_ascii=False)


def as_list(value: Any) -> list[Any]:
    """A list, also as JSON in a text; anything else alone."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return [value]
    return value if isinstance(value, list) else [value]
