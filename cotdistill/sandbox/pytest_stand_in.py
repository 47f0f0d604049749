"""What tests usually take from pytest: raises, approx, mark.parametrize, mark.skip, param, fixture, skip, fail, and the
fixtures capsys and tmp_path. The standard library alone is at hand inside; this stands there as `pytest`.

Tests that ask for more (a plug-in, another fixture) end in `Missing`: the fault is not the program's.
"""

import io
import itertools
import math
import re
import sys
import tempfile
import types
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from inspect import isgeneratorfunction, signature
from pathlib import Path
from typing import Any, NamedTuple


class Missing(Exception):
    """The tests need what is not at hand here."""


class Skipped(BaseException):
    """A test skips itself."""


class Failed(AssertionError):
    pass


class Case(NamedTuple):
    values: tuple[Any, ...]


class Raises:
    """As pytest's: a context that expects an exception, whose `value` it then has."""

    def __init__(self, kinds: Any, match: str | None = None) -> None:
        self._kinds, self._match = kinds, match
        self.value: Any = None
        self.type: Any = None

    def __enter__(self) -> "Raises":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: object) -> bool:
        if error is None:
            raise Failed("DID NOT RAISE")
        if not issubclass(kind, self._kinds):
            return False
        self.value, self.type = error, kind
        if self._match is not None and not re.search(self._match, str(error)):
            raise Failed("the message does not match")
        return True

    def match(self, pattern: str) -> bool:
        if not re.search(pattern, str(self.value)):
            raise Failed("the message does not match")
        return True


def raises(kinds: Any, *call: Any, match: str | None = None, **named: Any) -> Raises:
    context = Raises(kinds, match)
    if call:
        with context:
            call[0](*call[1:], **named)
    return context


class approx:
    """Numbers within 1e-6 of the expected one, relatively, or 1e-12; sequences and dicts item by item."""

    def __init__(self, expected: Any, rel: float | None = None, abs: float | None = None, nan_ok: bool = False) -> None:
        self._expected, self._rel, self._abs, self._nan_ok = expected, rel, abs, nan_ok

    def __eq__(self, actual: object) -> bool:
        return self._near(actual, self._expected)

    def __repr__(self) -> str:
        return f"approx({self._expected!r})"

    def _near(self, actual: Any, expected: Any) -> bool:
        if isinstance(expected, dict):
            same = isinstance(actual, dict) and actual.keys() == expected.keys()
            return same and all(self._near(actual[key], one) for key, one in expected.items())
        if isinstance(expected, list | tuple):
            same = isinstance(actual, list | tuple) and len(actual) == len(expected)
            return same and all(map(self._near, actual, expected))
        if isinstance(expected, bool) or not isinstance(expected, int | float | complex):
            return bool(actual == expected)
        if type(actual) not in (int, float, complex):
            try:
                return bool(actual == expected) or self._near(float(actual), expected)
            except TypeError:
                return False
        if self._nan_ok and actual != actual and expected != expected:
            return True
        least = 1e-12 if self._abs is None else self._abs
        share = self._rel if self._rel is not None else 0.0 if self._abs is not None else 1e-6
        return bool(actual == expected or abs(actual - expected) <= max(least, share * abs(expected)) < math.inf)


def param(*values: Any, **_: Any) -> Case:
    return Case(values)


def fail(reason: str = "", **_: Any) -> None:
    raise Failed(reason)


def skip(*_: Any, **__: Any) -> None:
    raise Skipped


def fixture(function: Any = None, **_: Any) -> Any:
    def mark(made: Any) -> Any:
        made.__fixture__ = True
        return made

    return mark(function) if callable(function) else mark


class _Mark:
    """`parametrize` and `skip` count; every other mark is a label."""

    def __getattr__(self, name: str) -> Any:
        def mark(*arguments: Any, **_: Any) -> Any:
            if len(arguments) == 1 and callable(arguments[0]):
                return arguments[0]
            return lambda made: made

        return mark

    def parametrize(self, names: Any, values: Any, **_: Any) -> Callable[[Any], Any]:
        wanted = [one.strip() for one in names.split(",")] if isinstance(names, str) else list(names)

        def mark(made: Any) -> Any:
            made.__cases__ = [*getattr(made, "__cases__", []), (wanted, list(values))]
            return made

        return mark

    def skip(self, *arguments: Any, **_: Any) -> Any:
        def mark(made: Any) -> Any:
            made.__skipped__ = True
            return made

        return mark(arguments[0]) if arguments and callable(arguments[0]) else mark


mark = _Mark()


def run_function(function: Any, scope: dict[str, Any]) -> None:
    """Call a test once for each case. `scope` has the fixtures."""
    if getattr(function, "__skipped__", False):
        return
    for values in _cases(function):
        with ExitStack() as stack:
            asked = [name for name in _parameters(function) if name not in values]
            values |= {name: _fixture(name, scope, stack) for name in asked}
            try:
                result = function(**values)
                if hasattr(result, "__await__") and isinstance(result, types.CoroutineType):
                    __import__("asyncio").run(result)
            except Skipped:
                continue


def _parameters(function: Any) -> list[str]:
    """Without those that have a default."""
    found = signature(function).parameters.values()
    return [one.name for one in found if one.default is one.empty and one.kind in (0, 1, 3)]


def _cases(function: Any) -> Iterator[dict[str, Any]]:
    lists = []
    for names, values in getattr(function, "__cases__", []):
        rows = [one.values if isinstance(one, Case) else (one,) if len(names) == 1 else one for one in values]
        lists.append([dict(zip(names, row, strict=True)) for row in rows])
    for chosen in itertools.product(*lists):
        yield {name: value for one in chosen for name, value in one.items()}


def _fixture(name: str, scope: dict[str, Any], stack: ExitStack) -> Any:
    made = scope.get(name)
    if made is not None and getattr(made, "__fixture__", False):
        values = {one: _fixture(one, scope, stack) for one in _parameters(made)}
        if isgeneratorfunction(made):
            return stack.enter_context(contextmanager(made)(**values))
        return made(**values)
    if name == "capsys":
        return stack.enter_context(_captured())
    if name == "tmp_path":
        return Path(stack.enter_context(tempfile.TemporaryDirectory()))
    raise Missing(f"the fixture {name}")


class _Captured(NamedTuple):
    out: str
    err: str


class _Capture:
    def __init__(self, text: io.StringIO) -> None:
        self._text, self._read = text, 0

    def readouterr(self) -> _Captured:
        out = self._text.getvalue()[self._read :]
        self._read += len(out)
        return _Captured(out, "")


@contextmanager
def _captured() -> Generator[_Capture, None, None]:
    before, sys.stdout = sys.stdout, io.StringIO()
    try:
        yield _Capture(sys.stdout)
    finally:
        sys.stdout = before


def as_module() -> types.ModuleType:
    module = types.ModuleType("pytest")
    for name in ("raises", "approx", "param", "fail", "skip", "fixture", "mark"):
        setattr(module, name, globals()[name])
    module.main = lambda *_, **__: 0  # type: ignore[attr-defined]  # they are run after the module
    return module
