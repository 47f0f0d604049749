"""What a person does with the store of answers: look, throw old ones away, take them out."""

import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cotdistill.errors import CotDistillError, UsageError

DAY_S = 86_400.0


class Share(NamedTuple):
    """One teacher's part of the store; times are Unix seconds."""

    provider: str
    model: str
    answers: int
    bytes: int
    oldest: float
    newest: float


def stats(path: Path) -> list[Share]:
    """By teacher, the largest part first."""
    query = """SELECT provider, model, count(*), sum(length(raw)), min(stored_at), max(stored_at)
               FROM answers GROUP BY provider, model ORDER BY count(*) DESC"""
    with closing(_open(path)) as store:
        return [Share(*row) for row in store.execute(query)]


def prune(path: Path, *, older_than_days: float, model: str | None = None, dry_run: bool = False) -> int:
    """Delete answers; gives how many. They were paid for: they would be bought again. `model` is MODEL or, as `stats`
    writes it, PROVIDER:MODEL."""
    if not older_than_days >= 0:
        raise UsageError(f"--older-than-days {older_than_days:g}: expected 0 or more")
    condition = "stored_at < ?"
    values: list[float | str] = [time.time() - older_than_days * DAY_S]
    if model is not None:
        condition += " AND (model = ? OR provider || ':' || model = ?)"
        values += [model, model]
    with closing(_open(path)) as store:
        (count,) = store.execute(f"SELECT count(*) FROM answers WHERE {condition}", values).fetchone()
        if dry_run or not count:
            return int(count)
        with store:
            store.execute(f"DELETE FROM answers WHERE {condition}", values)
        store.execute("VACUUM")
    return int(count)


def export(path: Path) -> Iterator[dict[str, Any]]:
    """Every answer with the provider's JSON as it came, in the order it was stored."""
    query = "SELECT key, sample, provider, model, stored_at, raw FROM answers ORDER BY stored_at, key, sample"
    with closing(_open(path)) as store:
        for key, sample, provider, model, stored_at, raw in store.execute(query):
            content = zlib.decompress(raw)
            yield {
                "key": key,
                "sample": sample,
                "provider": provider,
                "model": model,
                "stored_at": round(stored_at, 3),
                "raw": msgspec.Raw(content) if _is_json(content) else content.decode("utf-8", "backslashreplace"),
            }


def _is_json(content: bytes) -> bool:
    try:
        msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _open(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise CotDistillError(f"{path}: there is no store of answers yet")
    try:
        store = sqlite3.connect(path, timeout=60)
        store.execute("SELECT 1 FROM answers LIMIT 1")
    except sqlite3.Error as error:
        raise CotDistillError(f"{path}: not a store of answers: {error}") from None
    return store
