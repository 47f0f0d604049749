"""Ctrl-C and SIGTERM, which a service manager sends: both raise KeyboardInterrupt in the main thread, and none is lost.

Python prints an exception that is raised in a finalizer or in a callback of a weak reference, and goes on: thousands of
these run while torch is imported, and training then began although it was told to end.
"""

import atexit
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

AGAIN_S = 0.05
"""Seconds after which an interrupt that was swallowed is sent again: the callback is over by then."""

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


def watch() -> None:
    """Watch the main thread for the rest of the process."""
    if threading.current_thread() is not threading.main_thread():  # no other may
        return
    signal.signal(signal.SIGTERM, _interrupt)
    sys.unraisablehook = _repeated
    atexit.register(_end)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _repeated(found: "sys.UnraisableHookArgs") -> None:
    if not issubclass(found.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(found)
        return
    again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), signal.SIGINT))
    again.daemon = True
    again.start()


def _end() -> None:
    """The last that runs at the end: Python then takes its handlers away, a signal would end the process by itself, and
    the exit code would be another one than what was said. So it would where an interrupt went through an `exec` of a
    text, as in each `dataclass`, also when it was caught: Python remembers that until the next `exec` of one."""
    for number in _NUMBERS:
        signal.signal(number, signal.SIG_IGN)
    exec("")
