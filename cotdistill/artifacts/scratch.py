"""Working directories that are removed with their block. What a killed process left behind is removed when the next one
makes its own."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

YOUNG_S = 60.0
"""A directory that is younger may not be locked yet."""


@contextmanager
def scratch(kind: str, where: Path | None = None) -> Iterator[Path]:
    """A directory `cotdistill-KIND-…` in the temporary directory or `where`, for the time of the block."""
    where = where or Path(tempfile.gettempdir())
    _sweep(where, kind)
    folder = Path(tempfile.mkdtemp(prefix=f"cotdistill-{kind}-", dir=where))
    held = _lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if held is not None:
            os.close(held)


@cache
def _sweep(where: Path, kind: str) -> None:
    """Remove unlocked leftovers, once in a process: the system releases a lock when its process dies."""
    for folder in where.glob(f"cotdistill-{kind}-*"):
        with suppress(OSError):
            old = time.time() - folder.stat().st_mtime > YOUNG_S
            if old and (held := _lock(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(held)


def _lock(folder: Path) -> int | None:
    """Lock a directory of this user and return the descriptor. None where another process holds it, and where there are
    no such locks (Windows): there nothing is swept."""
    try:
        import fcntl

        held = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    except (ImportError, OSError):
        return None
    try:
        if os.fstat(held).st_uid == os.getuid():
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return held
    except OSError:
        pass
    os.close(held)
    return None
