"""The store of paid answers: SQLite, keyed by what was sent, holding the provider's JSON as it came.

An answer is on disk before anything else happens with it. Commits are shared by all answers that wait for one
(group commit), so durability costs one sync for many. Several processes may use one store.
"""

import hashlib
import queue
import threading
import time
from asyncio import AbstractEventLoop, Future, get_running_loop
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from cotdistill.store.database import Database, insert, packed, unpacked
from cotdistill.store.spending import INTO_SPENDING, Paid, row_of

MOST_AT_ONCE = 500
"""The most rows in one commit, which bounds how long a caller waits."""

SET_ASIDE = ":no-answer"
"""Appended to the key of a body that turned out to be no answer."""


def request_key(base_url: str, body: dict[str, Any]) -> str:
    """sha256 of the server and the body sent to it, canonically encoded; `s1:` marks this way of hashing.

    Nothing else is in it: no timing, no concurrency, no output path, no sample index."""
    content = msgspec.json.encode({"base_url": base_url, "body": body}, order="deterministic")
    return "s1:" + hashlib.sha256(content).hexdigest()


class Entry(NamedTuple):
    """One row of `answers`, as it is written."""

    key: str
    sample: int
    family: str
    provider: str
    model: str
    stored_at: float
    raw: bytes
    """The store's thread compresses it, so that no caller waits for that."""


class Stored(NamedTuple):
    """A stored answer: the key under which it was asked, and the provider's JSON."""

    key: str
    raw: bytes


class Known(NamedTuple):
    """Requests that the store has answers to, by key and by family."""

    exact: set[tuple[str, int]]
    relatives: set[tuple[str, int]]

    def has(self, key: str, family: str, sample: int) -> Literal["", "this", "another cap"]:
        """Whether there is an answer to this request ("this"), or to one that differs in the output cap alone."""
        if (key, sample) in self.exact:
            return "this"
        return "another cap" if (family, sample) in self.relatives else ""


class _Write(NamedTuple):
    row: Entry | None
    paid: Paid | None
    loop: AbstractEventLoop | None
    done: "Future[None] | None"
    instead: bool = False


class Store:
    """The open store: `get` and `find` answers, `put` paid ones. Call `put` in an event loop, everything else from any
    thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path)
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_all, name="store", daemon=True)
        self._writer.start()

    def get(self, key: str, sample: int) -> bytes | None:
        """The provider's JSON of an answer; None where there is none."""
        rows = self._database.read("SELECT raw FROM answers WHERE key = ? AND sample = ?", key, sample)
        return unpacked(rows[0][0], f"{self.path}: {key} {sample}") if rows else None

    def find(self, key: str, family: str, sample: int) -> Iterator[Stored]:
        """The answer under this key, then those asked with other output caps, newest first. Each is unpacked when its
        turn comes."""
        rows = self._database.read(
            "SELECT key, raw FROM answers WHERE key = ? AND sample = ? UNION ALL SELECT key, raw FROM (SELECT key, raw "
            "FROM answers WHERE family = ? AND sample = ? AND key != ? ORDER BY stored_at DESC)",
            *(key, sample, family, sample, key),
        )
        for found, raw in rows:
            yield Stored(found, unpacked(raw, f"{self.path}: {found} {sample}"))

    def known(self, keys: Collection[str], families: Collection[str]) -> Known:
        """Which of many requests the store has answers to, in two queries."""
        exact = self._database.read(f"SELECT key, sample FROM answers WHERE key IN ({_marks(keys)})", *keys)
        relatives = self._database.read(
            f"SELECT family, sample FROM answers WHERE family IN ({_marks(families)})", *families
        )
        return Known(set(exact), set(relatives))

    def put(
        self,
        key: str,
        sample: int,
        family: str,
        provider: str,
        model: str,
        raw: bytes,
        paid: Paid | None = None,
        *,
        instead: bool = False,
    ) -> "Future[None]":
        """Store an answer and what was paid for it; the future is done once both are on disk. The first answer under a
        key stays. With `instead` the present body is no answer: it is replaced, and kept under another key because it
        was paid for.

        The future fails with a CotDistillError when the answer cannot be written.
        """
        loop = get_running_loop()
        done: Future[None] = loop.create_future()
        row = Entry(key, sample, family, provider, model, time.time(), raw)
        self._writes.put(_Write(row, paid, loop, done, instead))
        return done

    def pay(self, paid: Paid) -> None:
        """Record what an attempt without an answer may have cost; it is on disk soon after."""
        self._writes.put(_Write(None, paid, None, None))

    def try_room(self) -> None:
        """Raises CotDistillError where an answer could not be written."""
        self._database.try_room()

    def close(self, *, unless_empty: bool = False) -> None:
        """Close the store. `unless_empty` removes its files where nothing was paid for yet."""
        self._writes.put(None)
        self._writer.join()
        paid = not unless_empty or self._database.read(
            "SELECT 1 FROM answers UNION ALL SELECT 1 FROM spending UNION ALL SELECT 1 FROM batches LIMIT 1"
        )
        self._database.close()
        if not paid:
            self._remove()

    def delete(self) -> None:
        """Close and remove the files."""
        self._database.never_sync()  # what goes need not be on disk
        self.close()
        self._remove()

    def _remove(self) -> None:
        for name in (
            self.path.name,
            *(f"{self.path.name}{one}" for one in ("-wal", "-shm")),
            f".{self.path.name}.claims",
        ):
            self.path.with_name(name).unlink(missing_ok=True)

    def _write_all(self) -> None:
        database: Database | None = None
        stopping = False
        while not stopping:
            batch = self._gathered()
            stopping = batch[-1] is None
            writes = [write for write in batch if write is not None]
            problem: Exception | None = None
            try:
                database = database or Database(self.path)  # its own: a sync must not hold up who reads
                self._commit(database, writes)
            except Exception as error:  # of any kind: a caller would wait for ever for a thread that has died
                problem = error
            self._settle(writes, problem)
        if database is not None:
            database.close()

    def _gathered(self) -> "list[_Write | None]":
        """The waiting writes, compressed, and those that come meanwhile: each commit is a sync. A last None means
        stop."""
        batch = [self._writes.get()]
        while (write := batch[-1]) is not None:
            if write.row is not None:
                batch[-1] = write._replace(row=write.row._replace(raw=packed(write.row.raw)))
            if self._writes.empty() or len(batch) == MOST_AT_ONCE:
                break
            batch.append(self._writes.get())
        return batch

    def _commit(self, database: Database, batch: list[_Write]) -> None:
        with database.change() as connection:
            connection.executemany(
                f"UPDATE OR IGNORE answers SET key = key || '{SET_ASIDE}' WHERE key = ? AND sample = ?",
                [(write.row.key, write.row.sample) for write in batch if write.row and write.instead],
            )
            insert(connection, "OR IGNORE INTO answers", [write.row for write in batch if write.row])
            insert(connection, INTO_SPENDING, [row_of(write.paid) for write in batch if write.paid])

    def _settle(self, batch: list[_Write], problem: Exception | None) -> None:
        waiting: dict[AbstractEventLoop, list[Future[None]]] = {}
        for write in batch:
            if write.loop and write.done:
                waiting.setdefault(write.loop, []).append(write.done)
        for loop, dones in waiting.items():
            with suppress(RuntimeError):  # the loop is closed: after a second Ctrl-C no one waits for the answers
                loop.call_soon_threadsafe(_settle, dones, problem)


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))


def _settle(dones: "list[Future[None]]", problem: Exception | None) -> None:
    for done in dones:
        if done.cancelled():
            continue
        if problem is None:
            done.set_result(None)
        else:
            done.set_exception(problem)
