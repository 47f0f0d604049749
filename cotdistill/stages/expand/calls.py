"""Calls of a method, maybe a person's own file: what it does wrong is one line that names file, line and seed."""

from collections.abc import Callable
from typing import Any, TypeVar

from cotdistill import plugins
from cotdistill.errors import CotDistillError
from cotdistill.expanders import Expander

T = TypeVar("T")


def facets(method: str, expander: Expander) -> dict[str, str]:
    """Raises CotDistillError for what are no facets."""
    found: Any = ask(method, "its facets", expander.facets)
    if not isinstance(found, dict) or not all(isinstance(one, str) for pair in found.items() for one in pair):
        raise CotDistillError(f"method {method!r}: expected facets as a dict of names and wishes, got {found!r:.200}")
    return found


def instruction(method: str, expander: Expander, seed: str, text: str, wish: str) -> str:
    """Raises CotDistillError for what is no text."""
    return _text(method, seed, ask(method, f"seed {seed!r}", lambda: expander.instruction(text, wish)))


def prompt(method: str, expander: Any, seed: str, passage: str, written: str) -> str:
    """The same of an expander that reads documents."""
    return _text(method, seed, ask(method, f"seed {seed!r}", lambda: expander.prompt(passage, written)))


def quoted(method: str, expander: Any, seed: str, written: str) -> tuple[str, str]:
    """The same of one that quotes: the question, and the answer, which may be blank."""
    found: Any = ask(method, f"seed {seed!r}", lambda: expander.quoted(written))
    if not isinstance(found, tuple) or len(found) != 2 or not all(isinstance(one, str) for one in found):
        raise CotDistillError(f"method {method!r}: expected question and answer for seed {seed!r}, got {found!r:.200}")
    return found


def ask(method: str, on: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except plugins.FAILURES as error:
        raise plugins.failure(error, f"method {method!r}", on) from error


def _text(method: str, seed: str, found: Any) -> str:
    if not isinstance(found, str) or not found.strip():
        raise CotDistillError(f"method {method!r}: expected a text for seed {seed!r}, got {found!r:.200}")
    return found
