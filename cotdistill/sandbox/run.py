"""Starts the processes of one examination, collects what they report, and ends them: a time-out is processor time.

The wall clock is looked at for programs that sleep: a machine under load only makes them slower, not wrong.
"""

import json
import math
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import IO, Any, Literal, NamedTuple

import msgspec

from cotdistill.artifacts.scratch import scratch
from cotdistill.sandbox.isolation import HOME, Isolation

State = Literal[
    "passed", "failed", "raised", "error", "absent", "ended", "bad_tests", "sound", "empty", "timeout", "not_started"
]
MAX_OUTPUT = 1_000_000
"""Bytes of output; a program that prints more has flooded it."""
FILE_BYTES = 8_000_000
"""The largest file that a program may write."""
TESTS_MEMORY_BYTES = 2**30
"""The least memory of the process that runs the tests."""
_FAR = 10
"""Seconds on the clock for each processor second: a program that sleeps ends too."""
_AT_LEAST_S = 10.0
"""The least time on the clock, for a process that starts on a busy machine."""
_KILLED = {128 + signal.SIGKILL, -signal.SIGKILL, 128 + signal.SIGXCPU, -signal.SIGXCPU}
"""Both limits of processor time are the same, so the kernel ends a process by SIGKILL; a launcher adds 128."""
_ENVIRONMENT = {"HOME": HOME, "TMPDIR": "/tmp", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}


@dataclass(frozen=True)
class Limits:
    """`cpu_s`: processor seconds of each process, in whole seconds as the kernel counts them."""

    cpu_s: float
    memory_bytes: int

    @property
    def wall_s(self) -> float:
        """For what sleeps: far above what a program of `cpu_s` needs on a machine that does ten things at once."""
        return max(_AT_LEAST_S, _FAR * self.cpu_s)


class Outcome(NamedTuple):
    """How the tests ended; `detail` is the name of an exception or of what is missing, or what is wrong with them."""

    state: State
    detail: str = ""


class Printed(NamedTuple):
    """What a program printed, cut at `MAX_OUTPUT`; the last line of its errors; its exit status, None where it was
    killed."""

    text: str
    error: str
    code: int | None
    flooded: bool
    timed_out: bool


class Suite(NamedTuple):
    """Tests as Python. `entry_point` is what `check(candidate)` gets, `setup` runs before the program, with it."""

    tests: str
    entry_point: str | None = None
    setup: str = ""


def examine(program: str, suite: Suite, isolation: Isolation, limits: Limits) -> Outcome:
    """Run the tests against the program, each in its own process."""
    to_program, from_tests = os.pipe()
    to_tests, from_program = os.pipe()
    job = {"program": program, "setup": suite.setup, **_limits(limits)}
    with _Processes(isolation) as processes:
        report, report_fd = os.pipe()
        processes.start("test_process", _job(suite, limits), [report_fd, to_tests, from_tests])
        answer = processes.start("answer_process", job, [to_program, from_program])
        with os.fdopen(report, "rb") as file:
            said = processes.collect([file], limits.wall_s)
        outcome = _outcome(said[0])
        if outcome is None:
            return Outcome("timeout" if processes.killed(0) or processes.overdue else "not_started")
        if outcome.state == "ended" and processes.killed(processes.all.index(answer)):
            return Outcome("timeout")
        return outcome


def weigh(suite: Suite, isolation: Isolation, limits: Limits) -> Outcome:
    """Whether a program with nothing in it would pass: "sound", "empty" or "bad_tests"; tests without end are sound,
    for nothing passes them."""
    with _Processes(isolation) as processes:
        report, report_fd = os.pipe()
        processes.start("test_process", _job(suite, limits), [report_fd])
        with os.fdopen(report, "rb") as file:
            said = processes.collect([file], limits.wall_s)
        return _outcome(said[0]) or Outcome("sound" if processes.killed(0) or processes.overdue else "not_started")


def feed(program: str, stdin: str, isolation: Isolation, limits: Limits) -> Printed:
    """Run a program that reads and prints."""
    with _Processes(isolation) as processes, tempfile.TemporaryFile() as given:
        _fill(given, stdin)
        job = {"program": program, **_limits(limits)}
        process = processes.start("answer_process", job, [], given, subprocess.PIPE)
        assert process.stdout and process.stderr
        said = processes.collect([process.stdout, process.stderr], limits.wall_s)
        flooded = max(map(len, said)) > MAX_OUTPUT
        killed = not flooded and (processes.overdue or processes.killed(0))
        text, errors = (one.decode("utf-8", "replace") for one in said)
        last = (errors.strip().splitlines() or [""])[-1]
        return Printed(text, last, None if killed or flooded else process.returncode, flooded, killed)


def _limits(limits: Limits) -> dict[str, int]:
    return {"cpu_s": math.ceil(limits.cpu_s), "memory_bytes": limits.memory_bytes, "file_bytes": FILE_BYTES}


def _job(suite: Suite, limits: Limits) -> dict[str, Any]:
    own = {**_limits(limits), "memory_bytes": max(TESTS_MEMORY_BYTES, limits.memory_bytes)}
    return {"tests": suite.tests, "entry_point": suite.entry_point, **own}


def _outcome(data: bytes) -> Outcome | None:
    try:
        return msgspec.json.decode(data, type=Outcome)
    except msgspec.DecodeError:
        return None


@dataclass
class _Processes:
    """All are dead and waited for at the end, whatever happens; so are those that they started."""

    isolation: Isolation
    all: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    overdue: bool = False
    _lifeline: tuple[int, int] = field(default_factory=os.pipe)
    _directory: Path | None = None
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "_Processes":
        if self.isolation.method == "none":
            self._directory = self._open.enter_context(scratch("code"))
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.all:
            self._end(process)
        for fd in self._lifeline:
            os.close(fd)
        self._open.close()

    def start(
        self, module: str, job: dict[str, Any], fds: list[int], stdin: IO[bytes] | int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
    ) -> "subprocess.Popen[bytes]":  # fmt: skip
        """`fds` go to the process and are closed here."""
        here = str(self._directory or "/")
        environment = _ENVIRONMENT if here == "/" else {**_ENVIRONMENT, "HOME": here, "TMPDIR": here}
        with _handed_over(fds), tempfile.TemporaryFile() as file:
            _fill(file, json.dumps({**job, "drop": self.isolation.method != "none", "lifeline": self._lifeline[0]}))
            given = [file.fileno(), *fds]
            process = subprocess.Popen(
                self.isolation.command(module, [str(one) for one in given]),
                stdin=stdin,
                stdout=stdout,
                stderr=stdout,
                cwd=here,
                env=environment,
                pass_fds=[*given, self._lifeline[0]],
                start_new_session=True,
            )
        self.all.append(process)
        return process

    def collect(self, files: list[IO[bytes]], wall_s: float) -> list[bytes]:
        """What stands in the files until all end, one has more than `MAX_OUTPUT` bytes, or time is up."""
        until = time.monotonic() + wall_s
        said = {file.fileno(): b"" for file in files}
        with DefaultSelector() as selector:
            for fd in said:
                selector.register(fd, EVENT_READ)
            while selector.get_map() and max(map(len, said.values())) <= MAX_OUTPUT:
                left_s = until - time.monotonic()
                if left_s <= 0:
                    self.overdue = True
                    break
                for key, _ in selector.select(left_s):
                    data = os.read(key.fd, 65_536)
                    said[key.fd] += data
                    if not data:
                        selector.unregister(key.fd)
            ended = not selector.get_map()
        if ended:
            self._wait(self.all[0], max(1.0, until - time.monotonic()))
        return list(said.values())

    def killed(self, place: int) -> bool:
        """Whether a process has met its limit of processor time, or another way to be killed."""
        self._wait(self.all[place], _AT_LEAST_S)
        return self.all[place].poll() in _KILLED

    def _wait(self, process: "subprocess.Popen[bytes]", most_s: float) -> None:
        try:
            process.wait(most_s)
        except subprocess.TimeoutExpired:
            self.overdue = True

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for file in (process.stdout, process.stderr):
            if file:
                file.close()


@contextmanager
def _handed_over(fds: list[int]) -> Iterator[None]:
    try:
        yield
    finally:
        for fd in fds:
            os.close(fd)


def _fill(file: IO[bytes], text: str) -> None:
    file.write(text.encode("utf-8", "surrogatepass"))
    file.flush()
    file.seek(0)
