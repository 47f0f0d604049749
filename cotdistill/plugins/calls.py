"""Explains a failure inside a plug-in in one line that names its file and line."""

import traceback
from collections.abc import Iterable
from pathlib import Path

from cotdistill.errors import CotDistillError

FAILURES = (Exception, SystemExit)
"""Everything that a plug-in's code may raise; only Ctrl-C goes through."""

_PACKAGE = str(Path(__file__).parent.parent)


def failure(error: BaseException, plug_in: str, on: str, known: Iterable[str]) -> CotDistillError:
    """The error to raise for one that a plug-in raised: "mine.py:7: filter './mine.py' failed on prompt 'p0', sample 0:
    ZeroDivisionError: division by zero". A CotDistillError stays as it is. `known` are the plug-in files that were
    loaded by path."""
    if isinstance(error, CotDistillError):
        return error
    return CotDistillError(f"{place(error, known)}{plug_in} failed on {on}: {words(error)}")


def place(error: BaseException, known: Iterable[str]) -> str:
    """ "mine.py:7: ", the last line of a user's own file, or else of ours, that the error came through."""
    own = set(known)
    frames = traceback.extract_tb(error.__traceback__)
    for is_wanted in (own.__contains__, lambda name: name.startswith(_PACKAGE)):
        if found := next((frame for frame in reversed(frames) if is_wanted(frame.filename)), None):
            return f"{found.filename}:{found.lineno}: "
    return ""


def words(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it calls sys.exit({error.code if error.code is not None else ''})"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
