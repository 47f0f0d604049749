"""The store's file: one SQLite database. Only this module opens, checks and reads it."""

import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from cotdistill.artifacts.files import try_room
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.store.schema import prepare

try:
    from isal.isal_zlib import compress
except ImportError:  # there is no wheel of it for this machine
    from zlib import compress

LOOK_S = 0.05
BUSY_S = 60.0
"""Seconds to wait while another process holds the write lock."""


LOG_PAGES = 4_000
"""Pages of the write-ahead log (16 MB) before it is copied into the database. Keys are hashes, so each answer changes
four pages; with SQLite's default of 1,000 the log was copied every 260 answers, and all who waited for a commit were
held up."""

MOST_VALUES = 999
"""The most values in one statement: SQLite before 3.32 takes no more."""


class FullDiskError(CotDistillError):
    """The store's disk is full."""


class Database:
    """One connection for any number of threads, one at a time. Every error of SQLite becomes a CotDistillError of one
    line that names the file."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._lock = threading.RLock()
        if not create and not path.is_file():
            found = "expected a store of answers, found a directory"
            raise UsageError(f"{path}: {found if path.is_dir() else 'there is no store of answers yet'}")
        try:
            if create:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600)  # answers may be confidential
            self._connection = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise CotDistillError(
                f"{path}: cannot open the store of answers: {why}; --cache PATH, or COTDISTILL_CACHE, gives it another "
                f"place"
            ) from None
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._connection.close()
            raise CotDistillError(f"{path}: cannot open the store of answers: {error}") from None
        except CotDistillError:
            self._connection.close()
            raise

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def never_sync(self) -> None:
        """Never wait for the disk from now on: nothing written after this survives a power cut."""
        with self._lock, self._explained("write"):
            self._connection.execute("PRAGMA synchronous = OFF")

    def read(self, query: str, *values: object) -> list[Any]:
        """Every row of a query."""
        with self._lock:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise self._explanation("read", error) from None

    def walk(self, query: str, *values: object) -> Iterator[Any]:
        """Yields row by row, for results that may be larger than memory."""
        with self._explained("read"), closing(self._connection.execute(query, values)) as rows:
            yield from rows

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on disk when the block ends."""
        with self._lock, self._explained("write"), self._connection:
            yield self._connection

    @contextmanager
    def changes(self) -> Iterator[sqlite3.Connection]:
        """Collects statements that are on disk with the next `commit` only: many then cost one sync."""
        with self._lock, self._explained("write"):
            yield self._connection

    def commit(self) -> None:
        with self._lock, self._explained("write"):
            self._connection.commit()

    def vacuum(self) -> None:
        with self._lock, self._explained("write"):
            self._connection.execute("VACUUM")

    def try_room(self) -> None:
        """Raises CotDistillError where the disk is full or the store may not be written, before anything is paid
        for."""
        try_room(self.path)
        with self._lock, self._explained("write"):
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("INSERT INTO not_our_batches VALUES ('', '')")
            self._connection.rollback()

    def problems(self) -> list[str]:
        """What SQLite's own check finds wrong; empty where the file is sound."""
        with self._lock:
            try:
                found = [str(line) for (line,) in self._connection.execute("PRAGMA integrity_check(20)")]
            except sqlite3.Error as error:
                return [str(error)]
        return [] if found == ["ok"] else found

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise self._explanation(what, error) from None

    def _explanation(self, what: str, error: sqlite3.DatabaseError) -> CotDistillError:
        if not isinstance(error, sqlite3.OperationalError):
            return CotDistillError(
                f"{self.path}: the store of answers is damaged: {error}. `cotdistill cache check` says what is wrong, "
                "`cache export --skip-bad` saves what can be read"
            )
        problem = f"{self.path}: cannot {what} the store of answers: {error}"
        if _code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            return FullDiskError(f"{problem}. Make room on its disk; the same command continues")
        return CotDistillError(problem)

    def _write_ahead(self) -> None:
        """Switch to a write-ahead log. Where two runs make one store at once, SQLite reports a lock without waiting."""
        for left in range(round(BUSY_S / LOOK_S), -1, -1):
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if not left or _code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
                time.sleep(LOOK_S)

    def _prepare(self) -> None:
        run = self._connection.execute
        self._write_ahead()
        run("PRAGMA synchronous = FULL")  # a commit survives a power cut
        run(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        prepare(self._connection, self.path)


def insert(connection: sqlite3.Connection, into: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert many rows with one statement. `executemany` would release the interpreter's lock at each row and wait for
    it again, which beside a busy event loop takes far longer than SQLite's own work."""
    together = MOST_VALUES // len(rows[0]) if rows else 1
    for at in range(0, len(rows), together):
        some = rows[at : at + together]
        row = f"({', '.join('?' * len(some[0]))})"
        connection.execute(
            f"INSERT {into} VALUES {', '.join([row] * len(some))}", [value for values in some for value in values]
        )


def packed(raw: bytes) -> bytes:
    return compress(raw, 1)


def unpacked(raw: bytes, place: str) -> bytes:
    """Decompress an answer. Raises CotDistillError that names its place where its bytes are damaged."""
    try:
        return zlib.decompress(raw)
    except (zlib.error, TypeError):
        raise CotDistillError(
            f"{place}: a stored answer is damaged. `cotdistill cache check` lists all of them, "
            "`cache export --skip-bad` saves the others"
        ) from None


def _code(error: sqlite3.Error) -> int:
    """SQLite's error code, without the bits that refine it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
