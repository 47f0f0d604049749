"""The shapes that tests of programs come in, as data sets have them: one reference, as text."""

import ast
from typing import Annotated, TypeVar

import msgspec

from cotdistill.sandbox.run import Suite

T = TypeVar("T")

MAX_TESTS = 1_000_000
MAX_CASES = 200


class Case(msgspec.Struct):
    """One run of a program that reads and prints."""

    stdin: str = msgspec.field(name="stdin")
    stdout: str


class _Asserts(msgspec.Struct, forbid_unknown_fields=True):
    """HumanEval's columns (`test`, `entry_point`), MBPP's (`test_list`, `test_setup_code`), or a mixture."""

    test: str | list[str] | None = None
    tests: str | list[str] | None = None
    test_list: list[str] | None = None
    test_setup_code: str = ""
    test_imports: list[str] = []
    entry_point: str | None = None
    setup: str = ""


class _Inputs(msgspec.Struct):
    """APPS and TACO: `{"inputs": […], "outputs": […]}`."""

    inputs: list[str]
    outputs: list[str]


class _Named(msgspec.Struct):
    """LiveCodeBench: `[{"input": …, "output": …, "testtype": "stdin"}]`."""

    input: str
    output: str
    testtype: Annotated[str, msgspec.Meta(pattern="^stdin$")] = "stdin"


def read(text: str) -> Suite | list[Case]:
    """What a reference holds. Raises ValueError, in one sentence, for what is neither tests nor cases."""
    if len(text) > MAX_TESTS:
        raise ValueError(f"the tests are longer than {MAX_TESTS} characters")
    if (cases := _cases(text)) is not None:
        if not 0 < len(cases) <= MAX_CASES:
            raise ValueError(f"expected 1 to {MAX_CASES} cases, found {len(cases)}")
        if not any(case.stdout.strip() for case in cases):
            raise ValueError("an empty program passes the tests: no case expects any output")
        return cases
    if (lines := _lines(text)) is not None:
        return Suite("\n".join(lines))
    if text.lstrip()[:1] == "{" and (named := _decoded(text, _Asserts)) is not None:
        found = [one for one in (named.test, named.tests, named.test_list) if one]
        if not found:
            raise ValueError('expected "test", "tests" or "test_list" in the object of tests')
        parts = [*named.test_imports, named.test_setup_code, *("\n".join(_listed(one)) for one in found)]
        return Suite("\n".join(part for part in parts if part), named.entry_point, named.setup)
    return Suite(text)


def _cases(text: str) -> list[Case] | None:
    if (cases := _decoded(text, list[Case])) is not None:
        return cases
    if named := _decoded(text, list[_Named]):
        return [Case(one.input, one.output) for one in named]
    if (pairs := _decoded(text, _Inputs)) is not None:
        if len(pairs.inputs) != len(pairs.outputs):
            raise ValueError(f"{len(pairs.inputs)} inputs and {len(pairs.outputs)} outputs")
        return [Case(*pair) for pair in zip(pairs.inputs, pairs.outputs, strict=True)]
    return None


def _lines(text: str) -> list[str] | None:
    """A list of statements, in JSON or in Python's spelling."""
    if text.lstrip()[:1] != "[":
        return None
    if (lines := _decoded(text, list[str])) is not None:
        return lines
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, list) and value and all(isinstance(one, str) for one in value) else None


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _decoded(text: str, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
