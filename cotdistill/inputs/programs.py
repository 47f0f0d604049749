"""Tests of programs, as public data sets have them -> a reference that the verifier `code` reads."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from cotdistill.inputs.values import Fields

_MOST_CASES = 200
_IMPORT = re.compile(r"^(?:from|import) .+", re.MULTILINE)


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
    return None


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
