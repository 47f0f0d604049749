"""Programs that pass the tests of their problem."""

import json
import math
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import IO, NamedTuple

import msgspec

from cotdistill.plugins import Count
from cotdistill.reasoning import split
from cotdistill.records import Response, Status, Verdict

RUNNER = Path(__file__).parent / "_code_runner.py"
NOBODY = 65534

MAX_PROGRAM = 200_000
MAX_CASES = 200
MAX_OUTPUT = 1_000_000
FILE_BYTES = 8_000_000

_BLOCK = re.compile(r"^[ \t]{0,3}```[ \t]*([A-Za-z0-9+]{0,12})[^\n]{0,100}\n(.*?)(?:^[ \t]{0,3}```|\Z)", re.S | re.M)
_LOOKS_LIKE_CODE = re.compile(r"^(?:def|class|import|from|for|while|if|print|async|@|\w+ ?=)", re.MULTILINE)
_PYTHON = ("python", "python3", "py")


class _Case(msgspec.Struct):
    stdin: str
    stdout: str


class _Report(msgspec.Struct):
    state: str
    detail: str = ""
    where: str = ""
    token: str = ""
    isolation: str = "hooks"


class _Ruling(NamedTuple):
    status: Status
    detail: str | None
    isolation: str = "hooks"


@dataclass
class Verifier:
    """The last Python block of the answer runs, and passes the tests: limits on a process, no sandbox.

    The tests are the file `tests`, or else the prompt's reference: Python with assertions, run after the program in
    its namespace, or JSON `[{"stdin": …, "stdout": …}]` for a program that reads and prints. Only `--verify code` runs
    programs; a data file cannot ask for it.

    Each run is a new process without the environment, in a directory that is removed, with limits of time
    (`deadline_s`), memory, file size and open files, and no process or thread besides. On Linux it also gets
    namespaces of its own where they are allowed: no network, no other process in sight (`method` then says
    code/namespaces), and root becomes nobody. Elsewhere (code/hooks) the interpreter refuses network and processes,
    which a program written to escape can undo. What is readable to everybody can be read. Programs of people who
    want to harm belong into a virtual machine.

    Python's standard library only (-S): what is installed beside it differs from machine to machine.
    """

    tests: str | None = None
    deadline_s: float = 10.0
    memory_mb: Count = 1024
    _given: str | None = field(default=None, init=False, repr=False, compare=False)

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

    def judge(self, response: Response) -> Verdict:
        tests = self._given if self._given is not None else response.prompt.reference
        cases = _cases(tests or "")
        if not tests or not tests.strip():
            return _verdict(_Ruling("bad_reference", "the prompt has no reference, and no tests are given"))
        if cases is None and not re.search(r"\bassert|\braise\b|\.assert", tests):
            return _verdict(_Ruling("bad_reference", "the tests assert nothing"))  # `18` would pass any program
        if cases is not None and not 0 < len(cases) <= MAX_CASES:
            return _verdict(_Ruling("bad_reference", f"expected 1 to {MAX_CASES} cases"))
        visible = split(response.text)
        program, fenced = _program(visible.answer)
        if not program:
            return _verdict(_Ruling("no_answer", "no code" if visible.closed else "the reasoning does not end"))
        if len(program) > MAX_PROGRAM:
            return _verdict(_Ruling("incorrect", f"the program is longer than {MAX_PROGRAM} characters"))
        until = time.monotonic() + self.deadline_s
        ruling = self._test(program, tests, until) if cases is None else self._feed(program, cases, until)
        if not fenced and ruling.detail == "the program raises SyntaxError":
            ruling = _Ruling("no_answer", "no code", ruling.isolation)
        return _verdict(ruling, program)

    def _test(self, program: str, tests: str, until: float) -> _Ruling:
        token = secrets.token_hex(16)
        run = self._run(program, tests, token, "", until)
        if ruling := _stopped(run):
            return ruling
        last = run.reports[-1]
        if last.state == "passed" and secrets.compare_digest(last.token.encode(), token.encode()):
            return _Ruling("correct", None, run.isolation)
        if last.state == "bad_tests":
            return _Ruling("bad_reference", f"the tests cannot be compiled: {last.detail}", run.isolation)
        return _Ruling("incorrect", _fault(last), run.isolation)

    def _feed(self, program: str, cases: list[_Case], until: float) -> _Ruling:
        for case in cases:
            run = self._run(program, None, "", case.stdin, until)
            if ruling := _stopped(run):
                return ruling
            if run.reports[-1].state != "ready":
                return _Ruling("incorrect", _fault(run.reports[-1]), run.isolation)
            if run.code or _lines(run.output) != _lines(case.stdout):
                return _Ruling("incorrect", "a test fails", run.isolation)
        return _Ruling("correct", None, run.isolation)

    def _run(self, program: str, tests: str | None, token: str, stdin: str, until: float) -> "_Run":
        job = {
            "program": program,
            "tests": tests,
            "parent": os.getpid(),
            "cpu_s": math.ceil(self.deadline_s),
            "memory_bytes": self.memory_mb * 2**20,
            "file_bytes": FILE_BYTES,
        }
        with (
            tempfile.TemporaryDirectory(prefix="cotdistill-code-", ignore_cleanup_errors=True) as directory,
            tempfile.TemporaryFile() as job_file,
            tempfile.TemporaryFile() as stdin_file,
        ):
            if os.geteuid() == 0:
                os.chown(directory, NOBODY, NOBODY)
            _fill(job_file, json.dumps(job) + "\n" + token + "\n")
            _fill(stdin_file, stdin)
            reports, report_fd = os.pipe()
            command = [sys.executable, "-s", "-P", "-S", "-B", str(RUNNER), str(job_file.fileno()), str(report_fd)]
            try:
                process = subprocess.Popen(
                    command,
                    stdin=stdin_file,
                    stdout=subprocess.PIPE if tests is None else subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd=directory,
                    env={"HOME": directory, "TMPDIR": directory, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8",
                         "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"},
                    pass_fds=(job_file.fileno(), report_fd),
                    start_new_session=True,
                )  # fmt: skip
            finally:
                os.close(report_fd)
            with os.fdopen(reports, "rb") as report_file:
                return _watch(process, report_file, until)


class _Run(NamedTuple):
    """What one process did; `code` is None where it was killed, at the deadline or for a flood of output."""

    reports: list[_Report]
    output: str
    code: int | None
    flooded: bool

    @property
    def isolation(self) -> str:
        return self.reports[0].isolation if self.reports else "hooks"


def _watch(process: "subprocess.Popen[bytes]", reports: IO[bytes], until: float) -> _Run:
    """Collect what it reports and prints until it ends, prints too much, or its time is up; and kill it."""
    said, printed = reports.fileno(), process.stdout.fileno() if process.stdout else -1
    texts = {fd: b"" for fd in (said, printed) if fd >= 0}
    ended = flooded = False
    try:
        with DefaultSelector() as selector:
            for fd in texts:
                selector.register(fd, EVENT_READ)
            while selector.get_map() and not flooded and (left_s := until - time.monotonic()) > 0:
                for key, _ in selector.select(left_s):
                    data = os.read(key.fd, 65_536)
                    texts[key.fd] += data
                    flooded = flooded or len(texts[key.fd]) > MAX_OUTPUT
                    if not data:
                        selector.unregister(key.fd)
            ended = not selector.get_map()
        if ended:
            process.wait(max(0.1, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        ended = False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()
    output = texts.get(printed, b"").decode("utf-8", "replace")
    return _Run(_reports(texts[said]), output, process.returncode if ended else None, flooded)


def _reports(data: bytes) -> list[_Report]:
    """What the program writes there itself may be anything."""
    found = []
    for line in data.splitlines():
        try:
            found.append(msgspec.json.decode(line, type=_Report))
        except (msgspec.DecodeError, UnicodeDecodeError):
            found.append(_Report("unreadable"))
    return found


def _stopped(run: _Run) -> _Ruling | None:
    if run.flooded:
        return _Ruling("incorrect", "the program prints too much", run.isolation)
    if run.code is None or run.code == 128 + signal.SIGXCPU or run.code == -signal.SIGXCPU:
        return _Ruling("timeout", "the program did not end in time", run.isolation)
    return None if run.reports else _Ruling("error", "the process for the program did not start")


def _fault(last: _Report) -> str:
    if last.state == "failed":
        return "a test fails"
    if last.state == "raised" and last.detail.isidentifier():
        return f"the program raises {last.detail[:100]}"
    return "the process ended before the tests did"


def _cases(tests: str) -> list[_Case] | None:
    try:
        return msgspec.json.decode(tests, type=list[_Case])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


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


def _fill(file: IO[bytes], text: str) -> None:
    file.write(text.encode("utf-8", "surrogatepass"))
    file.flush()
    file.seek(0)


def _verdict(ruling: _Ruling, program: str | None = None) -> Verdict:
    answer = program and program.strip()[:200]
    return Verdict(status=ruling.status, answer=answer, method=f"code/{ruling.isolation}", detail=ruling.detail)
