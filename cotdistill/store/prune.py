"""Throwing old answers away, also where the store's disk has no byte left: SQLite needs room to delete."""

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cotdistill.errors import CotDistillError, UsageError
from cotdistill.store.admin import bytes_on_disk
from cotdistill.store.database import Database, FullDiskError

DAY_S = 86_400.0

ELSEWHERE = ("/dev/shm", "~")
"""Where else there may be room, besides the directory for temporary files."""


class _Condition(NamedTuple):
    sql: str
    values: tuple[float | str, ...]


def prune(
    path: Path,
    *,
    older_than_days: float,
    model: str | None = None,
    dry_run: bool = False,
    note: Callable[[str], None] = lambda text: None,
) -> int:
    """Delete answers; returns how many. They were paid for: they would be bought again. What was spent on them stays on
    record. `model` is MODEL or, as `stats` writes it, PROVIDER:MODEL. On a full disk the store is made anew on another
    one and written back; `note` hears of it.

    Raises CotDistillError where no other disk has room for a copy, and where another run has the store open then."""
    if not older_than_days >= 0:
        raise UsageError(f"--older-than-days {older_than_days:g}: expected 0 or more")
    condition = _Condition("stored_at < ?", (time.time() - older_than_days * DAY_S,))
    if model is not None:
        which = f"{condition.sql} AND (model = ? OR provider || ':' || model = ?)"
        condition = _Condition(which, (*condition.values, model, model))
    try:
        return _here(path, condition, dry_run=dry_run)
    except FullDiskError as error:
        if dry_run:
            raise
        return _elsewhere(path, condition, str(error), note)


def _here(path: Path, condition: _Condition, *, dry_run: bool) -> int:
    with closing(Database(path, create=False)) as store:
        ((count,),) = store.read(f"SELECT count(*) FROM answers WHERE {condition.sql}", *condition.values)
        if dry_run or not count:
            return int(count)
        with store.change() as connection:
            connection.execute(f"DELETE FROM answers WHERE {condition.sql}", condition.values)
        with suppress(FullDiskError):  # the room inside the file is used again
            store.vacuum()
    return int(count)


def _elsewhere(path: Path, condition: _Condition, problem: str, note: Callable[[str], None]) -> int:
    """The pruned store is whole on another disk before the old one is touched, and stays until it is whole here. No
    other process may have the store open, or opens it meanwhile: what it writes would be lost."""
    size = bytes_on_disk(path)
    folder = _with_room(path, size)
    if folder is None:
        raise CotDistillError(
            f"{problem}. Or name a directory on another disk in TMPDIR: it takes {size:,} bytes there"
        )
    with path.open("r+b") as store:
        _hold(store, path)
        handle, name = tempfile.mkstemp(".sqlite", "cotdistill-pruned-", folder)
        copy = Path(name)
        try:
            with os.fdopen(handle, "wb") as target:
                shutil.copyfileobj(store, target)
            count = _pruned(path, copy, condition)
        except (sqlite3.Error, OSError) as error:
            for file in _files(copy):
                file.unlink()
            raise CotDistillError(f"{path}: cannot be pruned on a full disk: {error}") from None
        note(f"{path}: its disk is full; the pruned store is made at {copy} and written back")
        try:
            for file in _files(path)[1:]:
                file.unlink()
            with copy.open("rb") as source:
                store.seek(0)
                store.truncate()
                shutil.copyfileobj(source, store)
            store.flush()
            os.fsync(store.fileno())
        except OSError as error:
            raise CotDistillError(
                f"{path}: cannot write the pruned store back: {error.strerror}. It is whole at {copy}: copy it here "
                "before anything else uses the store"
            ) from None
    copy.unlink()
    return count


_LOCKED_BY_SQLITE = 0x40000000, 512
"""Place and number of the bytes that every connection locks one of for as long as it is open
(https://sqlite.org/fileformat2.html, the lock-byte page)."""


def _hold(store: BinaryIO, path: Path) -> None:
    """Until it is closed; this process must open and close the file in no other way meanwhile. Raises CotDistillError
    where another process has the store open."""
    try:
        import fcntl
    except ImportError:
        return
    place, length = _LOCKED_BY_SQLITE
    try:
        fcntl.lockf(store, fcntl.LOCK_EX | fcntl.LOCK_NB, length, place)
    except OSError:
        raise CotDistillError(
            f"{path}: cannot be pruned on a full disk while another process has it open; end that first"
        ) from None


def _pruned(path: Path, copy: Path, condition: _Condition) -> int:
    """Put the log beside the copy, and prune that."""
    if (log := path.with_name(f"{path.name}-wal")).is_file():
        shutil.copyfile(log, copy.with_name(f"{copy.name}-wal"))
    with closing(sqlite3.connect(copy)) as new:
        new.execute("PRAGMA journal_mode = DELETE")
        with new:
            count = new.execute(f"DELETE FROM answers WHERE {condition.sql}", condition.values).rowcount
        new.execute("VACUUM")
    return count


def _files(path: Path) -> list[Path]:
    """The store's own, the database first."""
    return [file for end in ("", "-wal", "-shm") if (file := path.with_name(path.name + end)).is_file()]


def _with_room(path: Path, size: int) -> Path | None:
    """A directory on another disk that has room for the copy, twice: to delete from it needs room too."""
    for name in (tempfile.gettempdir(), *ELSEWHERE):
        folder = Path(os.path.expanduser(name))  # noqa: PTH111  # Path's raises where no home is known
        with suppress(OSError):
            other = folder.stat().st_dev != path.stat().st_dev
            if other and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 3 * size + 2**20:
                return folder
    return None
