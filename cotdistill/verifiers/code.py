"""Programs that pass the tests of their problem."""

import builtins
import re
import sys
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from cotdistill.plugins import Count, File
from cotdistill.reasoning import split
from cotdistill.records import Response, Status, Verdict
from cotdistill.sandbox import isolation as isolations
from cotdistill.sandbox.isolation import Isolation
from cotdistill.sandbox.run import Limits, Outcome, Printed, Suite, examine, feed, weigh
from cotdistill.verifiers._code_tests import Case, read

MAX_PROGRAM = 200_000

_BLOCK = re.compile(r"^[ \t]{0,3}```[ \t]*+([A-Za-z0-9+]{0,12})[^\n]{0,100}\n(.*?)(?:^[ \t]{0,3}```|\Z)", re.S | re.M)
_LOOKS_LIKE_CODE = re.compile(r"^(?:def|class|import|from|for|while|if|print|async|@|\w+ ?=)", re.MULTILINE)
_PYTHON = ("python", "python3", "py")
_NO_TESTS = "the prompt has no reference, and no tests are given"
_TOO_LATE = "the program did not end in time"


class _Ruling(NamedTuple):
    status: Status
    detail: str | None


@dataclass
class Verifier:
    """The last Python block of the answer runs and passes the tests, shut off from the machine.

    The tests are the file `tests`, or else the prompt's reference: Python as HumanEval (`check(candidate)`), pytest,
    unittest or plain assertions write it; a list of assertions as in MBPP; an object with `test` and `entry_point`;
    or cases `[{"stdin": …, "stdout": …}]` for a program that reads and prints (docs/code.md). Tests that an empty
    program passes, or one whose functions return None, are a bad reference. Only `--verify code` runs programs; a
    data file cannot ask for it.

    isolation: bubblewrap where it is installed, else the kernel's namespaces, else an error. A program sees Python's
    standard library, an empty home and a temporary directory: no file of anybody, no network, no other process.
    `none` runs it with the rights of this user, within limits alone. The verdict's `method` says which.

    The tests run in a second process that runs no line of the program: they see the values that it returns.

    deadline_s: processor seconds of each process, in whole seconds, asked twice before a verdict is `timeout`. A
    program that sleeps has ten times that. memory_mb: of the program.
    """

    tests: File | None = None
    deadline_s: float = 10.0
    memory_mb: Count = 1024
    isolation: Literal["auto", "bubblewrap", "namespaces", "none"] = "auto"
    _given: str | None = field(default=None, init=False, repr=False, compare=False)
    _isolation: Isolation = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if sys.platform == "win32":
            raise ValueError("code needs the limits of Linux or macOS; this is Windows")
        if not 0 < self.deadline_s <= 3600:
            raise ValueError(f"deadline_s={self.deadline_s}: expected more than 0 and no more than 3600")
        if self.tests is not None:
            try:
                self._given = Path(self.tests).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"{self.tests} cannot be read: {error}") from None
        self._isolation = isolations.find(self.isolation)

    @property
    def needs_reference(self) -> bool:
        return self.tests is None

    def judge(self, response: Response) -> Verdict:
        tests = self._given if self._given is not None else response.prompt.reference
        if not tests or not tests.strip():
            return self._verdict(_Ruling("bad_reference", _NO_TESTS))
        try:
            suite = read(tests)
        except ValueError as error:
            return self._verdict(_Ruling("bad_reference", str(error)))
        if isinstance(suite, Suite) and (problem := _bad_tests(suite, self._isolation, self._limits)):
            return self._verdict(problem)
        visible = split(response.text)
        program, fenced = _program(visible.answer)
        if not program:
            return self._verdict(_Ruling("no_answer", "no code" if visible.closed else "the reasoning does not end"))
        if len(program) > MAX_PROGRAM:
            return self._verdict(_Ruling("incorrect", f"the program is longer than {MAX_PROGRAM} characters"))
        ruling = self._test(program, suite) if isinstance(suite, Suite) else self._feed(program, suite)
        if not fenced and ruling.detail == "the program raises SyntaxError":
            ruling = _Ruling("no_answer", "no code")
        return self._verdict(ruling, program)

    @property
    def _limits(self) -> Limits:
        return Limits(self.deadline_s, self.memory_mb * 2**20)

    def _test(self, program: str, suite: Suite) -> _Ruling:
        outcome = examine(program, suite, self._isolation, self._limits)
        if outcome.state == "timeout":
            outcome = examine(program, suite, self._isolation, self._limits)
        return _ruling(outcome)

    def _feed(self, program: str, cases: list[Case]) -> _Ruling:
        for case in cases:
            printed = feed(program, case.stdin, self._isolation, self._limits)
            if printed.timed_out:
                printed = feed(program, case.stdin, self._isolation, self._limits)
            if ruling := _fault(printed, case):
                return ruling
        return _Ruling("correct", None)

    def _verdict(self, ruling: _Ruling, program: str | None = None) -> Verdict:
        answer = program and program.strip()[:200]
        method = f"code/{self._isolation.method}"
        return Verdict(status=ruling.status, answer=answer, method=method, detail=ruling.detail)


@lru_cache(1024)
def _bad_tests(suite: Suite, isolation: Isolation, limits: Limits) -> _Ruling | None:
    """Asked once for all samples of a prompt."""
    outcome = weigh(suite, isolation, limits)
    if outcome.state == "sound":
        return None
    return _Ruling(
        "error" if outcome.state == "not_started" else "bad_reference", outcome.detail or "no process started"
    )


def _ruling(outcome: Outcome) -> _Ruling:
    """A program chooses the name of its exceptions, and may hide in it what it has read: only known names are said."""
    known = _known(outcome.detail)
    rulings: dict[str, _Ruling] = {
        "passed": _Ruling("correct", None),
        "failed": _Ruling("incorrect", "a test fails"),
        "raised": _Ruling("incorrect", f"the program raises {known}"),
        "error": _Ruling("incorrect", f"a test raises {known}"),
        "absent": _Ruling("incorrect", f"the program does not define {outcome.detail}"),
        "ended": _Ruling("incorrect", "the process ended before the tests did"),
        "timeout": _Ruling("timeout", _TOO_LATE),
        "bad_tests": _Ruling("bad_reference", outcome.detail),
    }
    return rulings.get(outcome.state, _Ruling("error", "the process for the program did not start"))


def _known(exception: str) -> str:
    return exception if isinstance(getattr(builtins, exception, None), type) else "an exception of its own"


def _fault(printed: Printed, case: Case) -> _Ruling | None:
    if printed.flooded:
        return _Ruling("incorrect", "the program prints too much")
    if printed.timed_out:
        return _Ruling("timeout", _TOO_LATE)
    if printed.code and printed.error:
        return _Ruling("incorrect", f"the program raises {_known(printed.error.partition(':')[0])}")
    same = printed.code == 0 and _lines(printed.text) == _lines(case.stdout)
    return None if same else _Ruling("incorrect", "a test fails")


def _program(text: str) -> tuple[str, bool]:
    """The last Python block, else the last block without a language, else a text that looks like code; and whether
    it was a block."""
    blocks = [(found[1].lower(), found[2]) for found in _BLOCK.finditer(text)]
    for languages in (_PYTHON, ("",)):
        if marked := [code for language, code in blocks if language in languages]:
            return marked[-1], True
    return (text, False) if not blocks and _LOOKS_LIKE_CODE.search(text) else ("", False)


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]
