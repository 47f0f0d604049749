"""Runs the tests of a problem against a program that lives in another process, and reports how they end.

    test_process JOB_FD REPORT_FD READ_FD WRITE_FD     # against the program
    test_process JOB_FD REPORT_FD                      # against a program with nothing in it

JOB is JSON: {"tests": …, "entry_point": …, limits}. No line of the program runs here.
"""

import ast
import inspect
import io
import json
import os
import sys
import types
import unittest
from typing import Any

from cotdistill.sandbox import pytest_stand_in
from cotdistill.sandbox.lockdown import end_with_the_judge, lock_down
from cotdistill.sandbox.peer import Ended
from cotdistill.sandbox.session import (
    Hollow,
    Program,
    ProgramExit,
    TestPeer,
    borrowed_modules,
    imported_from_program,
    module_of,
    shown_names,
    wanted_names,
)

MAX_NAME = 60


class Absent(Exception):
    """The program has no such name."""


def main() -> None:
    with os.fdopen(int(sys.argv[1]), encoding="utf-8", errors="surrogatepass") as file:
        job = json.loads(file.read())
    end_with_the_judge(job["lifeline"])
    lock_down(job["cpu_s"], job["memory_bytes"], job["file_bytes"], job["drop"])
    sys.stdout = sys.stderr = io.StringIO()
    report_fd = int(sys.argv[2])
    if len(sys.argv) == 3:
        outcome = weigh(job["tests"], job["entry_point"])
    else:
        peer = TestPeer(int(sys.argv[3]), int(sys.argv[4]))
        outcome = judge(job["tests"], job["entry_point"], Program(peer), peer)
    os.write(report_fd, json.dumps(outcome).encode())
    os._exit(0)  # what the tests have left behind, such as threads or exit handlers, changes nothing any more


def weigh(tests: str, entry_point: str | None) -> tuple[str, str]:
    """Whether tests say anything: ("sound", ""), or ("empty", why) where a program passes that has nothing in it."""
    try:
        wanted = wanted_names(ast.parse(tests))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return "bad_tests", f"the tests cannot be compiled: {type(error).__name__}"
    named = {entry_point.partition("(")[0].partition(".")[0]} if entry_point else {"candidate"}
    named |= {one for taken in imported_from_program(ast.parse(tests)).values() for one in taken}
    for returning, what in ((False, "an empty program"), (True, "a program whose functions return None")):
        state, detail = judge(tests, entry_point, Hollow(returning, wanted | named), None)
        if state == "passed":
            return "empty", f"{what} passes the tests"
        if state == "bad_tests":
            return state, detail
    return "sound", ""


def judge(tests: str, entry_point: str | None, program: Program | Hollow, peer: TestPeer | None) -> tuple[str, str]:
    """(state, detail): passed, failed, raised (by the program), error (in the tests), absent, ended, bad_tests."""
    try:
        tree = ast.parse(tests)
        code = compile(tree, "<tests>", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return "bad_tests", f"the tests cannot be compiled: {type(error).__name__}"
    raised = peer.raised if peer else []
    try:
        program.load()
        scope = _scope(tree, program)
        _run(code, scope)
        _run_found(tree, scope, entry_point, program)
    except Ended:
        return "ended", ""
    except BaseException as error:
        return _blame(error, raised)
    if peer and peer.gone:
        return "ended", ""
    return "passed", ""


def _blame(error: BaseException, raised: list[BaseException]) -> tuple[str, str]:
    if any(error is one for one in raised):
        name = type(error).__name__ if type(error).__module__ == "builtins" else "an exception of its own"
        return "raised", "SystemExit" if isinstance(error, ProgramExit) else name
    if isinstance(error, AssertionError):
        return "failed", ""
    if isinstance(error, Absent):
        return "absent", str(error)[:MAX_NAME]
    if isinstance(error, NameError) and error.name:
        return "absent", error.name[:MAX_NAME]
    if isinstance(error, ModuleNotFoundError):
        return "bad_tests", f"the tests import {(error.name or '')[:MAX_NAME]}, which is not in the standard library"
    if isinstance(error, pytest_stand_in.Missing):
        return "bad_tests", f"the tests need {error}, which is not at hand"
    return "error", type(error).__name__[:MAX_NAME]


def _scope(tree: ast.Module, program: Program | Hollow) -> dict[str, Any]:
    """The tests' module: the program's names first, which the tests' own replace."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    sys.modules["pytest"] = pytest_stand_in.as_module()
    unittest.main = unittest.TestProgram = lambda *_, **__: None  # type: ignore[assignment, misc]  # run after the module
    for name in imported_from_program(tree):
        for part in _with_parents(name):
            sys.modules[part] = module_of(part, program, _absent)
    scope = vars(module)
    scope.update(borrowed_modules(program))
    scope.update({name: program.value(name) for name in shown_names(program, wanted_names(tree))})
    return scope


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _absent(name: str) -> BaseException:
    return Absent(name)


def _run(code: types.CodeType, scope: dict[str, Any]) -> None:
    try:
        exec(code, scope)
    except SystemExit as error:
        if isinstance(error, ProgramExit) or type(error.code) not in (int, type(None)) or error.code:
            raise


def _run_found(tree: ast.Module, scope: dict[str, Any], entry_point: str | None, program: Program | Hollow) -> None:
    """`check(candidate)` where the module has not called it, then pytest's functions and classes, then unittest's."""
    if inspect.isfunction(scope.get("check")) and not _calls_check(tree):
        _check(scope, entry_point, program)
    for name, value in list(scope.items()):
        if isinstance(value, type) and value.__module__ == "__main__":
            if issubclass(value, unittest.TestCase):
                _run_case(value)
            elif name.startswith("Test"):
                for method in (one for one in dir(value) if one.startswith("test")):
                    _run_method(value, method, scope)
        elif inspect.isfunction(value) and name.startswith("test") and not hasattr(value, "__fixture__"):
            pytest_stand_in.run_function(value, scope)


def _run_method(kind: type, name: str, scope: dict[str, Any]) -> None:
    instance = kind()
    own = {one: getattr(instance, one) for one in dir(instance) if hasattr(getattr(instance, one), "__fixture__")}
    if hasattr(instance, "setup_method"):
        instance.setup_method(*([None] * len(inspect.signature(instance.setup_method).parameters)))
    pytest_stand_in.run_function(getattr(instance, name), {**scope, **own})
    if hasattr(instance, "teardown_method"):
        instance.teardown_method(*([None] * len(inspect.signature(instance.teardown_method).parameters)))


def _calls_check(tree: ast.Module) -> bool:
    calls = (one.value for one in tree.body if isinstance(one, ast.Expr))
    return any(isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id == "check" for one in calls)


def _check(scope: dict[str, Any], entry_point: str | None, program: Program | Hollow) -> None:
    wanted = [one for one in inspect.signature(scope["check"]).parameters.values() if one.default is one.empty]
    if not wanted:
        scope["check"]()
        return
    name = entry_point or program.candidate()
    if name is None:
        raise Absent("a function")
    root = name.partition("(")[0].partition(".")[0]
    try:
        value = program.value(root)
    except AttributeError:
        raise Absent(root) from None
    scope["check"](eval(name, {**scope, root: value}))


class _First(unittest.TestResult):
    """Keeps the exception itself."""

    error: BaseException | None = None

    def _keep(self, test: Any, error: Any) -> None:
        self.error = self.error or error[1]
        self.stop()

    addError = addFailure = _keep  # type: ignore[assignment]

    def addSubTest(self, test: Any, subtest: Any, error: Any) -> None:
        if error is not None:
            self._keep(test, error)


def _run_case(kind: type[unittest.TestCase]) -> None:
    result = _First()
    unittest.defaultTestLoader.loadTestsFromTestCase(kind).run(result)
    if result.error is not None:
        raise result.error
    if result.unexpectedSuccesses:
        raise AssertionError
