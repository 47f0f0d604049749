"""Symbolic equality by math-verify, in a process that is killed at a deadline and may not eat the memory.

math-verify's own time-outs are SIGALRM, which neither works in threads nor interrupts big-number arithmetic. So the
process is ours to kill; it exits by itself when its pipe closes, and the system kills it when its parent dies.
"""

import contextlib
import selectors
import subprocess
import sys
import threading
from typing import Any, Literal

import msgspec

Outcome = Literal["equal", "different", "bad_reference", "no_answer", "timeout", "error"]

START_S = 60.0
"""Importing sympy takes a second, on a loaded machine many."""

MEMORY_BYTES = 2 * 2**30


class Comparer:
    """Asks a worker process whether two expressions are equal. Safe for several threads."""

    def __init__(self, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def compare(self, reference: str, answer: str) -> Outcome:
        """Both as LaTeX or plain expressions, without dollar signs. The worker is replaced after a time-out."""
        with self._lock:
            try:
                process = self._running()
                assert process.stdin is not None
                process.stdin.write(msgspec.json.encode([reference, answer]) + b"\n")
                process.stdin.flush()
                line = _read_line(process, self.deadline_s)
            except TimeoutError:
                self._kill()
                return "timeout"
            except (OSError, EOFError):  # it ran out of memory, or was killed from outside
                self._kill()
                return "error"
            outcome: Outcome = msgspec.json.decode(line)
            return outcome

    def close(self) -> None:
        with self._lock:
            self._kill()

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cotdistill.verifiers._symbolic"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            _read_line(self._process, START_S)
        return self._process

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._process = None

    def __del__(self) -> None:
        self._kill()


def _read_line(process: "subprocess.Popen[bytes]", deadline_s: float) -> bytes:
    """The worker writes its short line in one piece, so a readable pipe holds all of it."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(deadline_s):
            raise TimeoutError
    line = process.stdout.readline()
    if not line:
        raise EOFError
    return line


def _serve() -> None:
    """The worker: one [reference, answer] a line in, one outcome a line out."""
    _die_with_parent()
    import logging

    from math_verify import parse  # noqa: F401  the slow import, before the first deadline runs

    logging.disable(logging.CRITICAL)
    _limit_memory()
    _reply("ready")
    for line in sys.stdin.buffer:
        reference, answer = msgspec.json.decode(line)
        try:
            outcome = _compare(reference, answer)
        except (Exception, MemoryError, RecursionError):  # whatever a model's text makes of a parser
            outcome = "error"
        _reply(outcome)


def _reply(outcome: str) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")
    sys.stdout.buffer.flush()


def _compare(reference: str, answer: str) -> str:
    from math_verify import verify

    gold, found = _parse(reference), _parse(answer)
    if not gold:
        return "bad_reference"
    if not found:
        return "no_answer"
    equal = verify(gold, found, timeout_seconds=None)  # in this order: it is not symmetric for intervals
    return "equal" if equal and _close(gold[0], found[0]) else "different"


def _parse(text: str) -> list[Any]:
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    configs = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())
    parsed: list[Any] = parse(f"$\\boxed{{{text}}}$", extraction_config=configs, parsing_timeout=None)
    return parsed


def _close(gold: Any, found: Any) -> bool:
    """math-verify compares numbers to some decimals, so 1/2^99 passes for 1/2^98; two numbers must also agree
    in proportion."""
    if not all(getattr(one, "is_number", False) for one in (gold, found)):
        return True
    difference = abs((gold - found).evalf(30))
    return bool(difference <= abs(gold.evalf(30)) * 1e-9)


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _die_with_parent() -> None:
    """Linux only; elsewhere the closed pipe ends the worker once it reads again."""
    with contextlib.suppress(OSError, AttributeError):
        import ctypes
        import signal

        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


if __name__ == "__main__":
    _serve()
