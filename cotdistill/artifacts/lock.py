"""One run on one output: an advisory lock beside it, and the directories that were made for it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from cotdistill.errors import OutputLockedError


@contextmanager
def lock(output: Path, held: str = "is writing it; wait for it, or write elsewhere") -> Iterator[None]:
    """Hold the output; `held` says what another process that holds it does, and what to do about it. The system
    releases the lock when the process dies, however it dies. Directories that were made for the output go again when
    they are empty at the end.

    Raises OutputLockedError when another process holds it."""
    made = _make(output.parent)
    try:
        with _held(lock_path(output), output, held):
            yield
    finally:
        for directory in made:
            with suppress(OSError):  # something stands in it
                directory.rmdir()


def lock_path(output: Path) -> Path:
    return output.with_name(f".{output.name}.lock")


def is_lock(path: Path) -> bool:
    """Of a file that stands there; one of a run that was killed holds its process, or nothing yet."""
    return path.stat().st_size < 1_000 and not path.read_bytes().startswith(b"{")


@contextmanager
def _held(path: Path, output: Path, words: str) -> Iterator[None]:
    held = FileLock(path, blocking=False)
    while True:
        try:
            held.acquire()
        except Timeout:
            raise OutputLockedError(f"{output}: {_owner(path)} {words}") from None
        if path.exists():
            break
        held.release()  # the last holder has just removed it: this is a lock on a file that others do not see
    try:
        with suppress(OSError):  # a full disk: then it does not say who holds it
            path.write_text(f"process {os.getpid()} since {now()}")
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held, so that no other process finds it free and then gone
        held.release()


def _make(directory: Path) -> list[Path]:
    """The directories that had to be made, the deepest first."""
    missing = [one for one in (directory, *directory.parents) if not one.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    return missing


def _owner(lock_file: Path) -> str:
    try:
        age_s = time.time() - lock_file.stat().st_mtime
        return f"{lock_file.read_text() or 'another process'} ({age_s:.0f} s ago)"
    except FileNotFoundError:
        return "another process"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
