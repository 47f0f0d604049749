import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from cotdistill.errors import CotDistillError
from cotdistill.store.answers import Store, request_key
from cotdistill.store.schema import SCHEMA_VERSION, prepare
from cotdistill.store.spending import Paid
from tests.conftest import ROOT


def put_all(path: Path, *items: tuple[str, int, bytes]) -> None:
    store = Store(path)

    async def run() -> None:
        await asyncio.gather(*(store.put(key, sample, "f", "mock", "m", raw) for key, sample, raw in items))

    asyncio.run(run())
    store.close()


def test_an_answer_is_found_by_key_and_sample(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    put_all(path, ("a", 0, b"one"), ("a", 1, b"two"))
    store = Store(path)
    assert (store.get("a", 0), store.get("a", 1), store.get("b", 0)) == (b"one", b"two", None)
    assert (store.get("a", 1) is None, store.get("a", 2) is None) == (False, True)
    store.close()


def test_the_first_answer_stays(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    put_all(path, ("a", 0, b"one"))
    put_all(path, ("a", 0, b"another"))
    store = Store(path)
    assert store.get("a", 0) == b"one"
    store.close()


def test_whatever_befalls_the_writing_thread_is_raised_where_the_answer_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that died in silence would leave the run waiting for ever."""

    def fails(*_: object) -> None:
        raise MemoryError("none left")

    monkeypatch.setattr(Store, "_commit", fails)
    with pytest.raises(MemoryError, match="none left"):
        put_all(tmp_path / "s.sqlite", ("a", 0, b"one"))


def test_the_store_is_for_its_owner_only(tmp_path: Path) -> None:
    put_all(tmp_path / "s.sqlite", ("a", 0, b"one"))
    assert (tmp_path / "s.sqlite").stat().st_mode & 0o077 == 0


def test_a_store_of_another_version_is_left_alone_and_named(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE answers (key TEXT)")
    with pytest.raises(CotDistillError, match=r"s.sqlite: a store of another version .*tables 0, expected 3.*--cache"):
        Store(path)


def test_two_runs_that_make_one_store_at_the_same_time_both_open_it(tmp_path: Path) -> None:
    """The other one makes every table between two looks of this one, which once took them for another version's."""
    path = tmp_path / "s.sqlite"

    def other_makes_it(statement: str) -> None:
        if "sqlite_master" in statement:
            looking.set_trace_callback(None)
            Store(path).close()

    with closing(sqlite3.connect(path)) as looking:
        looking.execute("PRAGMA journal_mode = WAL")
        looking.set_trace_callback(other_makes_it)
        prepare(looking, path)
        assert looking.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert not looking.in_transaction
    with closing(Store(path)) as store:
        assert store.get("a", 0) is None


def test_a_file_that_is_no_store_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").write_text("hello, I am a text file, and longer than a header" * 10)
    with pytest.raises(CotDistillError, match="cannot open the store of answers: file is not a database"):
        Store(tmp_path / "s.sqlite")


WRITER = """
import asyncio, sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from cotdistill.store.answers import Store

async def run(name):
    store = Store(Path(sys.argv[1]))
    async def one(number):
        await store.put(name, number, "f", "mock", "m", b"x" * 1000)
        print(number, flush=True)
    for start in range(0, 100_000, 50):
        await asyncio.gather(*(one(number) for number in range(start, start + 50)))

asyncio.run(run(sys.argv[2]))
"""


def writer(path: Path, name: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_two_processes_share_a_store_and_whatever_put_returned_for_survives_sigkill(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    writers = {name: writer(path, name) for name in ("a", "b")}
    acknowledged: dict[str, list[int]] = {name: [] for name in writers}
    for name, process in writers.items():
        assert process.stdout
        acknowledged[name] += [int(process.stdout.readline()) for _ in range(500)]
    for name, process in writers.items():
        process.send_signal(signal.SIGKILL)
        acknowledged[name] += [int(line) for line in process.communicate()[0].splitlines() if line.strip()]
    store = Store(path)
    for name, numbers in acknowledged.items():
        assert len(numbers) >= 500
        assert [number for number in numbers if store.get(name, number) is None] == []
    store.close()


def test_the_key_is_what_is_sent_and_nothing_else() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "q"}], "max_tokens": 5}
    reordered = dict(reversed(body.items()))
    assert request_key("http://a", body) == request_key("http://a", reordered)
    different = [
        request_key("http://b", body),
        request_key("http://a", {**body, "model": "n"}),
        request_key("http://a", {**body, "max_tokens": 6}),
        request_key("http://a", {**body, "temperature": 1.0}),
    ]
    assert len({request_key("http://a", body), *different}) == 5
    # Frozen: a changed way of hashing would orphan every store there is.
    assert request_key("http://a", body) == "s1:e66bc9c71a71f7b1186a7e5177daf5a6a891fae5623fb140178738d682cf950a"


def test_more_answers_than_fit_in_a_statement_are_each_stored_and_paid_for(tmp_path: Path) -> None:
    store, paid = Store(tmp_path / "many.sqlite"), Paid("mock", "m", "generate", "", "key", 0, Decimal(1), None)

    async def put_all_at_once() -> None:
        await asyncio.gather(*(store.put(f"key{n}", 0, "f", "mock", "m", b"%d" % n, paid) for n in range(1_200)))

    asyncio.run(put_all_at_once())
    places = (0, 110, 111, 499, 500, 1_199)
    assert [store.get(f"key{n}", 0) for n in places] == [str(n).encode() for n in places]
    store.close()
    with closing(sqlite3.connect(tmp_path / "many.sqlite")) as rows:
        assert rows.execute("SELECT count(*) FROM answers").fetchone() == (1_200,)
        assert rows.execute("SELECT count(*), sum(cost_usd) FROM spending").fetchone() == (1_200, 1_200)
