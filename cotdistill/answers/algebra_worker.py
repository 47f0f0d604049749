"""The process that compares two expressions by math-verify, under a deadline of its own processor time."""

import contextlib
import json
import re
import signal
import sys
import time
from typing import Any

import msgspec

from cotdistill.answers.symbolic import Compared, Outcome

MEMORY_BYTES = 2 * 2**30

_WARM_UP = ("x^2+2x", "\\frac{1}{2}", "\\sqrt{2}", "(1,2]", "\\{1,2\\}", "\\begin{pmatrix}1&2\\end{pmatrix}", "x < 2")
"""Compared before the worker is ready: the parsers' tables are built at their first use, a third of a second long."""


def serve() -> None:
    """The worker: a line [reference, answer, timeout_s] in, a line with the outcome out, until the pipe closes."""
    import logging

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end closes the pipe
    try:
        import math_verify  # noqa: F401  the slow import, before the first deadline runs
    except ImportError as error:
        _reply(str(error))
        return
    logging.disable(logging.CRITICAL)
    _limit_memory()
    for expression in _WARM_UP:
        _compare(expression, f"1 + {expression}")
    _reply("ready")
    for line in sys.stdin.buffer:
        reference, answer, timeout_s = json.loads(line)
        began = time.process_time()
        _set_deadline(timeout_s)
        try:
            outcome = _compare(reference, answer)
        except (Exception, MemoryError, RecursionError):  # whatever a model's text makes of a parser
            outcome = "error"
        _set_deadline(0)
        _reply(Compared(outcome, time.process_time() - began))


def _reply(reply: str | Compared) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(reply) + b"\n")
    sys.stdout.buffer.flush()


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # no such limits on Windows, few on macOS
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _set_deadline(timeout_s: float) -> None:
    """The system ends this process after so much of its processor time, whatever it does then; 0: never. Windows has
    no such timer, and only the parent's backstop there."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, timeout_s)


def _compare(reference: str, answer: str) -> Outcome:
    from math_verify import verify

    gold, found = _parse(reference), _parse(answer)
    if gold is None:
        return "bad_reference"
    if found is None:
        return "no_answer"
    if (rounded := _rounds(reference, found)) is not None:
        return "equal" if rounded else "different"
    equal = verify([gold], [found], timeout_seconds=None)  # in this order: it is not symmetric for intervals
    if equal:
        return "equal" if _agree(gold, found) else "different"
    return "equal" if _same_complex(gold, found) else "different"


def _parse(text: str) -> Any:
    """None where math-verify gives back a string only, for it compares strings that it has cut before; and where it
    dropped letters or digits, as it does with what it takes for units."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    configs = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())
    parsed = parse(f"$\\boxed{{{text}}}$", extraction_config=configs, parsing_timeout=None)
    if not parsed or isinstance(parsed[0], str) or _content(parsed[-1]) != _content(text):
        return None
    return parsed[0]


def _content(text: str) -> tuple[set[str], list[str]]:
    letters = re.findall(r"[^\W\d_]", re.sub(r"\\[A-Za-z]+|sqrt|and|or", "", text))
    return set(letters), sorted(re.findall(r"[1-9]", text))


def _rounds(reference: str, found: Any) -> bool | None:
    """Whether an exact answer without a decimal point is rounded to the reference, a decimal with two decimals and
    three digits or more: `12\\pi` for 37.70. None where the reference is no such decimal, or the answer no such
    form."""
    from sympy import Expr, Float

    decimal = _DECIMAL.fullmatch(reference.strip())
    if not decimal or len(decimal[0].replace(".", "").lstrip("-0")) < 3:
        return None
    if not isinstance(found, Expr) or found.is_rational or not found.is_number or not found.is_real or found.has(Float):
        return None
    return bool(abs(found.evalf(30) - Float(reference.strip(), 30)) * 2 * 10 ** len(decimal[1]) <= 1)


def _same_complex(gold: Any, found: Any) -> bool:
    """Whether two constants with an exponential are equal where the letter i is the imaginary unit: e^{i\\pi} is -1."""
    from sympy import Expr, I, Symbol, exp

    if not (isinstance(gold, Expr) and isinstance(found, Expr)) or not (gold.has(exp) or found.has(exp)):
        return False
    if (gold.free_symbols | found.free_symbols) != {Symbol("i")}:
        return False
    one, other = (side.subs(Symbol("i"), I).evalf(30) for side in (gold, found))
    return bool(abs(one - other) <= abs(one) * 1e-20)


_DECIMAL = re.compile(r"-?\d{0,30}\.(\d{2,30})")


def _agree(gold: Any, found: Any) -> bool:
    """math-verify compares numbers to some decimals, so 1/2^99 passes for 1/2^98. Two expressions must also agree in
    proportion, at a point of no special kind."""
    from sympy import Expr, Rational

    if not (isinstance(gold, Expr) and isinstance(found, Expr)) or gold == found:
        return True
    symbols = sorted(gold.free_symbols | found.free_symbols, key=str)
    point = {symbol: Rational(17 + 6 * place, 13) for place, symbol in enumerate(symbols)}
    one, other = (side.subs(point).evalf(30) for side in (gold, found))
    if one == other or not (one.is_number and other.is_number):
        return True
    return bool(abs(one - other) <= abs(one) * 1e-12)  # sympy's own floats: 1/2004! is no 0.0 here
