"""What a person does with the store of answers: look, check, take them out. `prune` throws old ones away."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cotdistill.errors import CotDistillError
from cotdistill.store.database import Database, unpacked


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
    with closing(Database(path, create=False)) as store:
        return [Share(*row) for row in store.read(query)]


def bytes_on_disk(path: Path) -> int:
    """Of the store and of what SQLite and other runs keep beside it."""
    return sum(state.st_size for _, state in files(path.parent.glob(f"{path.name}*")))


def files(paths: Iterable[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    """Those that are still there, with their state: a run that is under way removes and renames some."""
    for path in paths:
        with suppress(FileNotFoundError):
            yield path, path.lstat()


def export(path: Path, bad: Callable[[str], None] | None = None) -> Iterator[dict[str, Any]]:
    """Every answer with the provider's JSON as it came, in the order of its key. What is damaged goes to `bad`, or
    raises CotDistillError where there is none."""
    with closing(Database(path, create=False)) as store:
        for entry in _entries(store, bad):
            content = entry["raw"]
            entry["raw"] = msgspec.Raw(content) if _is_json(content) else content.decode("utf-8", "backslashreplace")
            yield entry


def check(path: Path) -> list[str]:
    """What is wrong with a store, one line each: the file, then each answer that cannot be read."""
    with closing(Database(path, create=False)) as store:
        found = store.problems()
        for _ in _entries(store, found.append):
            pass
        return list(dict.fromkeys(found))


def _entries(store: Database, bad: Callable[[str], None] | None) -> Iterator[dict[str, Any]]:
    """One by one: a damaged answer costs none of the others."""
    for key, sample in _keys(store, bad):
        try:
            rows = store.read(
                "SELECT provider, model, stored_at, raw FROM answers WHERE key = ? AND sample = ?", key, sample
            )
            for provider, model, stored_at, raw in rows:
                yield {
                    "key": key,
                    "sample": sample,
                    "provider": provider,
                    "model": model,
                    "stored_at": round(stored_at, 3),
                    "raw": unpacked(raw, f"{store.path}: answer {key} {sample}"),
                }
        except (CotDistillError, TypeError) as error:
            if bad is None:
                raise
            bad(str(error))


def _keys(store: Database, bad: Callable[[str], None] | None) -> Iterator[tuple[str, int]]:
    """In order. Where a page of the table is damaged, from both ends up to the damage, and what lies between from the
    index, which has the keys too."""
    table = "SELECT key, sample FROM answers ORDER BY key {0}, sample {0}"
    index = "SELECT key, sample FROM answers INDEXED BY families ORDER BY family {0}, sample {0}"
    low: tuple[str, int] = ("", -1)
    try:
        for low in store.walk(table.format("ASC")):
            yield low
        return
    except CotDistillError as error:
        if bad is None:
            raise
        bad(str(error))
    high: tuple[str, int] | None = None
    with suppress(CotDistillError):
        for row in store.walk(table.format("DESC")):
            if row <= low:
                return
            yield row
            high = row
    between: set[tuple[str, int]] = set()
    for order in ("ASC", "DESC"):
        with suppress(CotDistillError):
            between |= {row for row in store.walk(index.format(order)) if low < row and (high is None or row < high)}
    yield from sorted(between)


def _is_json(content: bytes) -> bool:
    try:
        msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
