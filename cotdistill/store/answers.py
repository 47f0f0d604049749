"""The store of paid answers: SQLite, keyed by what was sent, holding the provider's JSON as it came.

An answer is on disk before anything else happens with it. Commits are shared by all answers that wait for one
(group commit), so durability costs one sync for many. Several processes may use one store.
"""

import hashlib
import queue
import sqlite3
import threading
import time
import zlib
from asyncio import AbstractEventLoop, Future, get_running_loop
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cotdistill.errors import CotDistillError

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
"""

SET_ASIDE = ":no-answer"
"""What follows the key of a body that turned out to be no answer."""

SCHEMA_VERSION = 1
"""Raised when the tables change; SQLite keeps it as `user_version`, 0 in a new file."""


def request_key(base_url: str, body: dict[str, Any]) -> str:
    """sha256 of the server and the body sent to it, canonically encoded; `s1:` marks this way of hashing.

    Nothing else is in it: no timing, no concurrency, no output path, no sample index."""
    content = msgspec.json.encode({"base_url": base_url, "body": body}, order="deterministic")
    return "s1:" + hashlib.sha256(content).hexdigest()


class Entry(NamedTuple):
    """One row, as it is written."""

    key: str
    sample: int
    family: str
    provider: str
    model: str
    stored_at: float
    raw: bytes


class Stored(NamedTuple):
    """An answer of the store: under which key it was asked, and the provider's JSON."""

    key: str
    raw: bytes


class _Write(NamedTuple):
    row: Entry
    loop: AbstractEventLoop
    done: "Future[None]"
    instead: bool = False


class Store:
    """Open, ask with `get`, pay, `put`. `put` belongs to an event loop, all else to any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)  # answers may be confidential
            self._reader = self._connect()
            self._reading = threading.Lock()
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise CotDistillError(f"{path}: cannot open the store of answers: {error}") from None
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_all, name="store", daemon=True)
        self._writer.start()

    def get(self, key: str, sample: int) -> bytes | None:
        """The provider's JSON, or None."""
        rows = self._read("SELECT raw FROM answers WHERE key = ? AND sample = ?", key, sample)
        return zlib.decompress(rows[0][0]) if rows else None

    def has(self, key: str, sample: int) -> bool:
        return bool(self._read("SELECT 1 FROM answers WHERE key = ? AND sample = ?", key, sample))

    def relatives(self, family: str, sample: int) -> list[Stored]:
        """Answers that were asked with other output caps, the newest first."""
        rows = self._read(
            "SELECT key, raw FROM answers WHERE family = ? AND sample = ? ORDER BY stored_at DESC", family, sample
        )
        return [Stored(key, zlib.decompress(raw)) for key, raw in rows]

    async def put(
        self, key: str, sample: int, family: str, provider: str, model: str, raw: bytes, *, instead: bool = False
    ) -> None:
        """Returns once the answer is on disk; the first one under a key stays. With `instead` the one that is there is
        no answer: it gives way, and is kept under another key, for it was paid.

        Raises CotDistillError when it cannot be written."""
        loop = get_running_loop()
        done: Future[None] = loop.create_future()
        row = Entry(key, sample, family, provider, model, time.time(), zlib.compress(raw, 1))
        self._writes.put(_Write(row, loop, done, instead))
        try:
            await done
        except (sqlite3.Error, OSError) as error:
            raise CotDistillError(f"{self.path}: cannot store a paid answer: {error}") from None

    def close(self) -> None:
        self._writes.put(None)
        self._writer.join()
        self._reader.close()

    def delete(self) -> None:
        """Close and remove the files."""
        self.close()
        for ending in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)

    def _read(self, query: str, *values: object) -> list[Any]:
        with self._reading:
            return self._reader.execute(query, values).fetchall()

    def _connect(self) -> sqlite3.Connection:
        # Another process may hold the write lock; `_reading` sees to it that one thread reads at a time.
        connection = sqlite3.connect(self.path, timeout=60, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a commit survives a power cut
        return connection

    def _prepare(self) -> None:
        """One transaction each for the look and the tables: another process may do the same now."""
        self._reader.execute("BEGIN")
        (version,) = self._reader.execute("PRAGMA user_version").fetchone()
        (tables,) = self._reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        self._reader.commit()
        if version != SCHEMA_VERSION and tables:
            raise CotDistillError(
                f"{self.path}: a store of another version of cotdistill (tables {version}, expected {SCHEMA_VERSION}); "
                f"use that version, or give another --cache"
            )
        self._reader.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT")

    def _write_all(self) -> None:
        connection = self._connect()
        stopping = False
        while not stopping:
            batch = [self._writes.get()]
            while not self._writes.empty():
                batch.append(self._writes.get())
            stopping = None in batch
            self._commit(connection, [write for write in batch if write is not None])
        connection.close()

    def _commit(self, connection: sqlite3.Connection, batch: list[_Write]) -> None:
        problem: Exception | None = None
        try:
            with connection:
                connection.executemany(
                    f"UPDATE OR IGNORE answers SET key = key || '{SET_ASIDE}' WHERE key = ? AND sample = ?",
                    [(write.row.key, write.row.sample) for write in batch if write.instead],
                )
                connection.executemany(
                    "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", [write.row for write in batch]
                )
        except sqlite3.Error as error:
            problem = error
        for write in batch:
            write.loop.call_soon_threadsafe(_settle, write.done, problem)


def _settle(done: "Future[None]", problem: Exception | None) -> None:
    if done.cancelled():
        return
    if problem is None:
        done.set_result(None)
    else:
        done.set_exception(problem)
