"""The store's file: one SQLite database with one schema, opened, checked, migrated and read in this module alone."""

import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from cotdistill.artifacts.files import try_room
from cotdistill.errors import CotDistillError

SCHEMA_VERSION = 2
"""Raised when the tables change; SQLite keeps it as `user_version`, 0 in a new file. 1: no `spending`."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT NOT NULL,          -- sha256 of what was sent
    sample INTEGER NOT NULL,    -- index among the answers to it
    family TEXT NOT NULL,       -- the same key without the output cap: answers that differ in nothing else
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    stored_at REAL NOT NULL,    -- Unix time
    raw BLOB NOT NULL,          -- the provider's JSON, zlib
    PRIMARY KEY (key, sample)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS families ON answers (family, sample);
CREATE TABLE IF NOT EXISTS spending (   -- what was paid for, kept when its answer is pruned
    at REAL NOT NULL,           -- Unix time
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    stage TEXT NOT NULL,        -- generate, filter, evaluate; empty in what was stored before there was this table
    recipe TEXT NOT NULL,       -- empty for a command of its own
    key TEXT,                   -- of the answer; null for an attempt without one
    sample INTEGER,
    cost_usd TEXT,              -- null where it is not known
    worst_usd TEXT              -- what it cost at most, where the cost is not known
);
CREATE INDEX IF NOT EXISTS spending_by_time ON spending (at);
CREATE TABLE IF NOT EXISTS batches (
    shard TEXT PRIMARY KEY,             -- our name; in the batch's metadata and before each custom_id
    provider TEXT NOT NULL,
    base_url TEXT NOT NULL,
    model TEXT NOT NULL,
    state TEXT NOT NULL,
    begun_at REAL NOT NULL,             -- Unix time
    requests INTEGER NOT NULL DEFAULT 0,
    worst_usd TEXT,                     -- what it may cost at most, where --max-cost was given
    newest TEXT,                        -- the provider's newest batch before ours
    batch TEXT,                         -- the provider's id
    certain INTEGER NOT NULL DEFAULT 0  -- 0: found by its size and time, not yet by its contents
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch_items (
    key TEXT NOT NULL,
    sample INTEGER NOT NULL,
    family TEXT NOT NULL,
    shard TEXT NOT NULL,
    custom_id TEXT NOT NULL,
    PRIMARY KEY (key, sample)           -- a request is in one batch at a time
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS batch_items_by_shard ON batch_items (shard, custom_id);
CREATE TABLE IF NOT EXISTS not_our_batches (shard TEXT NOT NULL, batch TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batch_answers (  -- answers that cost half
    key TEXT NOT NULL,
    sample INTEGER NOT NULL,
    PRIMARY KEY (key, sample)
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS batch_answers_go_with_their_answers AFTER DELETE ON answers BEGIN
    DELETE FROM batch_answers WHERE key = OLD.key AND sample = OLD.sample;
END;
"""

_FROM_1 = """
INSERT INTO spending (at, provider, model, stage, recipe, key, sample)
    SELECT stored_at, provider, model, '', '', key, sample FROM answers;
"""
"""What was bought before has no cost on record: it is computed from the answer as long as that is there."""

_OURS = ("answers", "batches", "batch_items", "not_our_batches", "batch_answers", "spending")

LOOK_S = 0.05
BUSY_S = 60.0
"""How long another process may hold the write lock."""


class FullDiskError(CotDistillError):
    """The store's disk takes no more."""


class Database:
    """One connection, for any number of threads, one at a time. Every error of SQLite becomes a CotDistillError of one
    line that names the file."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._lock = threading.RLock()
        if not create and not path.is_file():
            raise CotDistillError(f"{path}: there is no store of answers yet")
        try:
            if create:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600)  # answers may be confidential
            self._connection = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise CotDistillError(f"{path}: cannot open the store of answers: {error}") from None
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

    def read(self, query: str, *values: object) -> list[Any]:
        """Every row."""
        with self._lock:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise self._explanation("read", error) from None

    def walk(self, query: str, *values: object) -> Iterator[Any]:
        """Row by row, for what may be larger than memory."""
        with self._explained("read"), closing(self._connection.execute(query, values)) as rows:
            yield from rows

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on disk when the block ends."""
        with self._lock, self._explained("write"), self._connection:
            yield self._connection

    @contextmanager
    def changes(self) -> Iterator[sqlite3.Connection]:
        """Statements that are on disk at the next `commit` only: many at once cost one sync."""
        with self._lock, self._explained("write"):
            yield self._connection

    def commit(self) -> None:
        with self._lock, self._explained("write"):
            self._connection.commit()

    def vacuum(self) -> None:
        with self._lock, self._explained("write"):
            self._connection.execute("VACUUM")

    def try_room(self) -> None:
        """Raises CotDistillError for a disk that is full or a store that may not be written: before anything is paid
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
        if "full" in str(error) or "disk I/O" in str(error):
            return FullDiskError(f"{problem}. Make room on its disk; the same command continues")
        return CotDistillError(problem)

    def _write_ahead(self) -> None:
        """Switch to a write-ahead log. Where two runs make one store at once, SQLite says locked without waiting."""
        for left in range(round(BUSY_S / LOOK_S), -1, -1):
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if not left or "locked" not in str(error):
                    raise
                time.sleep(LOOK_S)

    def _prepare(self) -> None:
        """One transaction each for the look and the tables: another process may do the same now."""
        run = self._connection.execute
        self._write_ahead()
        run("PRAGMA synchronous = FULL")  # a commit survives a power cut
        version, tables = self._state()
        # Until its version is set, a file is new: a run that was killed in between left some of our tables at most.
        foreign = (version == 0 and any(name not in _OURS for name in tables)) or ("answers" in tables and not version)
        if foreign or version > SCHEMA_VERSION:
            raise CotDistillError(
                f"{self.path}: a store of another version of cotdistill (tables {version}, expected {SCHEMA_VERSION}); "
                f"use that version, or give another --cache"
            )
        if version == SCHEMA_VERSION:
            return
        run("BEGIN IMMEDIATE")
        try:
            version, _ = self._state()
            for statement in _statements(_SCHEMA) + (_statements(_FROM_1) if version == 1 else []):
                run(statement)
            run(f"PRAGMA user_version = {SCHEMA_VERSION}")
            self._connection.commit()
        except sqlite3.Error:
            self._connection.rollback()
            raise

    def _state(self) -> tuple[int, Sequence[str]]:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        tables = [name for (name,) in self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return int(version), tables


def _statements(script: str) -> list[str]:
    """`executescript` would commit what is open; so one by one."""
    found, one = [], ""
    for line in script.splitlines(keepends=True):
        one += line
        if sqlite3.complete_statement(one):
            found.append(one)
            one = ""
    return found


def packed(raw: bytes) -> bytes:
    return zlib.compress(raw, 1)


def unpacked(raw: bytes, place: str) -> bytes:
    """Raises CotDistillError that names the place of an answer whose bytes are damaged."""
    try:
        return zlib.decompress(raw)
    except (zlib.error, TypeError):
        raise CotDistillError(
            f"{place}: a stored answer is damaged. `cotdistill cache check` lists all of them, "
            "`cache export --skip-bad` saves the others"
        ) from None
