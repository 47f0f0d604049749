"""Lets one run at a time write an output: an advisory lock beside it, and the directories that were made for it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from cotdistill.artifacts.opening import check_directory
from cotdistill.errors import CotDistillError, OutputLockedError

POLL_S = 0.02
SETTLED_S = 0.3
"""Seconds to wait for a holder that is about to end: it removes the lock file, and a run that had opened that file
tries again."""

SHARED_S = 60.0
"""Seconds to wait for a small file that several runs write, each its own part of it."""


_HERE: ContextVar[frozenset[Path]] = ContextVar("outputs held here", default=frozenset())
"""Outputs that this run holds, or a run that it is part of; a run in another thread is not."""


@contextmanager
def lock(
    output: Path, held: str = "is writing it; wait for it, or write elsewhere", *, wait_s: float = 0.0
) -> Iterator[None]:
    """Hold the output. `held` says what another process that holds it is doing, and what the user can do.

    The system releases the lock when the process dies. Directories that were made for the output are removed at the end
    if they are empty. A file that several runs write, each a part of it, is waited for `wait_s` seconds.

    Raises OutputLockedError when another process holds it, CotDistillError where its directory cannot be one.
    """
    made: list[Path] = []
    here = frozenset({output.resolve()})
    try:
        with _held(output, held, wait_s, made):
            _HERE.set(_HERE.get() | here)
            yield
    finally:
        _HERE.set(_HERE.get() - here)
        for directory in made:
            with suppress(OSError):  # something stands in it
                directory.rmdir()


def is_held_here(output: Path) -> bool:
    """Whether this run holds the output, or a run that it is part of."""
    return output.resolve() in _HERE.get()


def lock_path(output: Path) -> Path:
    return output.with_name(f".{output.name}.lock")


def is_lock(path: Path) -> bool:
    """Whether the file is a lock file: that of a killed run holds its process id, or nothing yet."""
    return path.stat().st_size < 1_000 and not path.read_bytes().startswith(b"{")


def check_free(output: Path, held: str = "is writing it; wait for it, or write elsewhere") -> None:
    """Raises OutputLockedError when another process holds the output. Leaves no file behind."""
    path = lock_path(output)
    with suppress(OSError):  # it is gone, or another person's
        if path.is_symlink() or not path.is_file() or not is_lock(path):
            return
        watched = FileLock(path, timeout=SETTLED_S)
        try:
            watched.acquire(poll_interval=POLL_S)
        except Timeout:
            raise OutputLockedError(f"{output}: {_owner(path)} {held}") from None
        try:
            if not path.read_bytes():
                path.unlink()  # the holder was just removing it, and this look has made it anew
        finally:
            watched.release()


@contextmanager
def _held(output: Path, words: str, wait_s: float, made: list[Path]) -> Iterator[None]:
    path = lock_path(output)
    held = FileLock(path, timeout=max(wait_s, SETTLED_S))
    while True:
        check_directory(output.parent)
        made += _make(output.parent)
        try:
            held.acquire(poll_interval=POLL_S)
            break
        except Timeout:
            raise OutputLockedError(f"{output}: {_owner(path)} {words}") from None
        except FileNotFoundError:
            if output.parent.exists():
                raise
            # Another run had made the directory too, has ended, and removed it.
        except OSError as error:
            why = error.strerror or error
            raise CotDistillError(f"{output}: cannot write {path.name} beside it: {why}; give another path") from None
    try:
        with suppress(OSError):  # a full disk: then it does not say who holds it
            path.write_text(f"process {os.getpid()} since {now()}")
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held, so that no other process finds it free and then gone
        held.release()


def _make(directory: Path) -> list[Path]:
    """Make the missing directories; returns them, deepest first."""
    missing = [one for one in (directory, *directory.parents) if not one.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    return missing


def _owner(lock_file: Path) -> str:
    try:
        age_s = max(0.0, time.time() - lock_file.stat().st_mtime)  # the clock may have been set back
        return f"{lock_file.read_text() or 'another process'} ({age_s:.0f} s ago)"
    except (OSError, UnicodeDecodeError):  # gone, or another person's
        return "another process"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
