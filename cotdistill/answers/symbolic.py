"""Asks a worker process (algebra_worker.py) whether two expressions are equal; it ends at a deadline and may not eat
the memory.

math-verify's own time-outs are SIGALRM: they work in the main thread only, and not inside big-number arithmetic. So
they are off, and the process may be killed. The deadline counts its processor time, not the clock on the wall: the
system ends it by SIGPROF, so a busy machine changes no verdict. It also ends when its pipe closes, that is, when its
parent is killed.
"""

import contextlib
import json
import re
import selectors
import signal
import subprocess
import sys
import threading
import weakref
from typing import Literal, NamedTuple

import msgspec

from cotdistill.errors import CotDistillError
from cotdistill.masking import environment_without_keys

Outcome = Literal["equal", "different", "bad_reference", "no_answer", "timeout", "error"]

START_S = 120.0
"""Importing sympy takes a second; on a machine that trains at the same time, many."""

BACKSTOP_S = 60.0
"""And twenty times the deadline: the longest wait by the clock on the wall, for a worker that does not compute."""

MAX_EXPRESSION = 4_096
MAX_NESTING = 64
MAX_COMMANDS = 64
"""The parser's time grows much faster than its input: 60 nested fractions take it seconds, 800 take it minutes."""

_DEADLINE_SIGNALS = {-getattr(signal, "SIGPROF", 0)} - {0}

_COSTLY = re.compile(
    r"\^[\s({]{0,4}\w{1,9}[\s)}]{0,4}\^[\s({]{0,4}\w{1,9}[\s)}]{0,4}\^"  # a tower of powers
    r"|\^[\s({]{0,4}[-+]?\d{5}|\d{5}\s{0,4}[})]?\s{0,4}!|!\s{0,4}[})]?\s{0,4}!|\\binom\s{0,4}\{\s{0,4}\d{5}"
)


def reason_to_refuse(expression: str) -> str | None:
    """Why an expression must not reach the parser, or None."""
    if len(expression) > MAX_EXPRESSION:
        return f"longer than {MAX_EXPRESSION} characters"
    depth = deepest = 0
    for letter in expression:
        depth += (letter in "({[") - (letter in ")}]")
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING:
        return f"nested more than {MAX_NESTING} deep"
    if expression.count("\\") > MAX_COMMANDS:
        return f"more than {MAX_COMMANDS} LaTeX commands"
    return "a number too large to compute" if _COSTLY.search(expression) else None


class Compared(NamedTuple):
    """The outcome of a comparison, and the processor seconds that the worker used for it."""

    outcome: Outcome
    cpu_s: float


class Comparer:
    """Asks a worker process whether two expressions are equal. The process starts with the first question and is
    replaced after a time-out. Safe for several threads; they wait for each other."""

    def __init__(self, backstop_s: float = BACKSTOP_S) -> None:
        self._lock = threading.Lock()
        self._worker: subprocess.Popen[bytes] | None = None
        self._backstop_s = backstop_s

    def compare(self, reference: str, answer: str, timeout_s: float) -> Compared:
        """Both as LaTeX or plain expressions, without dollar signs; `timeout_s` of the worker's processor time.
        Starting the process does not count. After a time-out a fresh process is asked once more, unless the first was
        fresh too: what a process did before must not decide. Raises CotDistillError when math-verify cannot be loaded.
        """
        with self._lock:
            was_fresh = self._worker is None
            found = self._ask(reference, answer, timeout_s)
            if found.outcome != "timeout" or was_fresh:
                return found
            again = self._ask(reference, answer, timeout_s)
            return again._replace(cpu_s=found.cpu_s + again.cpu_s)

    def _ask(self, reference: str, answer: str, timeout_s: float) -> Compared:
        worker = self._running()
        try:
            _send(worker, [reference, answer, timeout_s])
            return msgspec.json.decode(_receive(worker, self._backstop_s + 20 * timeout_s), type=Compared)
        except TimeoutError:
            self._stop()
            return Compared("timeout", timeout_s)
        except (OSError, EOFError):  # at its deadline, out of memory, or killed from outside
            late = worker.wait(START_S) in _DEADLINE_SIGNALS
            self._stop()
            return Compared("timeout" if late else "error", timeout_s if late else 0.0)
        except BaseException:  # Ctrl-C: the reply to this question must not answer the next
            self._stop()
            raise

    @property
    def pid(self) -> int | None:
        return self._worker.pid if self._worker else None

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._worker is not None and self._worker.poll() is None:
            return self._worker
        self._stop()
        # Not `-m`: the worker must find this very package, however this process found it.
        code = f"import sys; sys.path[:] = {sys.path!r}; from cotdistill.answers.algebra_worker import serve; serve()"
        self._worker = worker = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment_without_keys()
            | {"PYTHONHASHSEED": "0"},  # sympy's order of terms, and so its time, depends on hashes
        )
        self._stopper = weakref.finalize(self, _kill, worker)  # also at the interpreter's exit
        try:
            found = msgspec.json.decode(_receive(worker, START_S))
        except (TimeoutError, EOFError):
            found = f"it did not start within {START_S:.0f} s"
        if found != "ready":
            self._stop()
            raise CotDistillError(f"math-verify, which compares formulas, cannot be used: {found}")
        return worker

    def _stop(self) -> None:
        if self._worker is not None:
            self._stopper()
            self._worker = None


def _kill(worker: "subprocess.Popen[bytes]") -> None:
    worker.kill()
    with contextlib.suppress(OSError):  # a request it never read
        worker.communicate()


def _send(worker: "subprocess.Popen[bytes]", request: object) -> None:
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(request).encode() + b"\n")  # json keeps lone surrogates, which models do emit
    worker.stdin.flush()


def _receive(worker: "subprocess.Popen[bytes]", timeout_s: float) -> bytes:
    """One line. It is short and written in one piece, so a readable pipe holds all of it."""
    assert worker.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(worker.stdout, selectors.EVENT_READ)
        if not selector.select(timeout_s):
            raise TimeoutError
    line = worker.stdout.readline()
    if not line:
        raise EOFError
    return line
