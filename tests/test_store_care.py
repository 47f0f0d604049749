"""The store through its life: older files, damage, a full disk, pruning; and the ledger, which outlives its answers."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cotdistill import teachers
from cotdistill.config import GenerateConfig
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.pricing import Prices
from cotdistill.progress import Silent
from cotdistill.stages import generate
from cotdistill.store import admin, spending
from cotdistill.store.answers import Store
from cotdistill.store.location import default_path
from cotdistill.store.prune import prune
from tests.conftest import ROOT, cotdistill
from tests.scripted_server import Scripted, Server, completion, serving

COUNT = 8
PRICES = {"price_in": 1.0, "price_out": 1.0}

VERSION_1 = """
CREATE TABLE answers (key TEXT NOT NULL, sample INTEGER NOT NULL, family TEXT NOT NULL, provider TEXT NOT NULL,
    model TEXT NOT NULL, stored_at REAL NOT NULL, raw BLOB NOT NULL, PRIMARY KEY (key, sample)) WITHOUT ROWID;
CREATE INDEX families ON answers (family, sample);
PRAGMA user_version = 1;
"""


def answer(number: int, body: dict[str, Any]) -> Scripted:
    return Scripted(completion("4"))


def generating(tmp_path: Path, server: Server, **options: Any) -> Callable[[], Any]:
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({"id": str(n), "question": f"Q {n}"}) + "\n" for n in range(COUNT)))
    config = GenerateConfig(**{"teacher": "openai:m", "base_url": f"{server.url}/v1", **PRICES, **options})
    return lambda: generate.run(path, tmp_path / "r.jsonl", config, Silent())


def bought(tmp_path: Path, times: int = 1, **options: Any) -> int:
    """Run generate; gives the number of requests."""

    async def run() -> int:
        async with serving(answer) as server:
            for _ in range(times):
                await asyncio.to_thread(generating(tmp_path, server, **options))
            return len(server.requests)

    return asyncio.run(run())


def change(*statements: str) -> None:
    with closing(sqlite3.connect(default_path())) as store, store:
        for statement in statements:
            store.executescript(statement)


def this_month() -> list[spending.Share]:
    from datetime import UTC, datetime

    return spending.spent_by(default_path(), datetime.now(UTC), ["teacher"])


def test_pruning_gives_the_answers_away_and_keeps_what_they_cost(tmp_path: Path) -> None:
    bought(tmp_path)
    before = this_month()
    assert [(share.name, share.attempts, f"{share.cost_usd:f}") for share in before] == [
        ("openai:m", COUNT, "0.000096")
    ]
    assert prune(default_path(), older_than_days=0) == COUNT
    assert this_month() == before
    said = cotdistill("cache", "spent", "--by", "teacher,stage")
    assert (said.returncode, said.stdout.split()[:2]) == (0, ["openai:m", "generate"])
    assert cotdistill("cache", "spent", "--month", "1999-01").stdout == ""
    assert cotdistill("cache", "spent", "--month", "May").returncode == 2
    assert "expected one or more of teacher, recipe, stage" in cotdistill("cache", "spent", "--by", "model").stderr


def test_what_answers_of_an_unknown_price_cost_is_said_to_be_unknown_and_not_nothing(tmp_path: Path) -> None:
    bought(tmp_path, price_in=None, price_out=None)
    said = cotdistill("cache", "spent")
    assert said.stdout.split()[:4] == ["openai:m", "unknown", str(COUNT), "answers,"]
    assert f"0 USD, and {COUNT} answers of unknown cost" in said.stderr


def test_a_store_of_the_first_version_opens_and_its_answers_are_in_the_ledger(tmp_path: Path) -> None:
    bought(tmp_path)
    with closing(sqlite3.connect(default_path())) as store:
        rows = store.execute("SELECT * FROM answers").fetchall()
    default_path().unlink()
    change(VERSION_1)
    with closing(sqlite3.connect(default_path())) as store, store:
        store.executemany("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    with closing(Store(default_path())) as store_now:
        assert all(store_now.get(row[0], row[1]) for row in rows)
    (share,) = this_month()
    assert (share.attempts, share.unpriced) == (COUNT, COUNT)


def test_a_store_from_before_runs_were_told_apart_keeps_what_was_paid_and_takes_more(tmp_path: Path) -> None:
    bought(tmp_path)
    columns = "at, provider, model, stage, recipe, key, sample, cost_usd, worst_usd"
    change(
        f"CREATE TABLE before AS SELECT {columns} FROM spending; DROP TABLE spending;"
        "ALTER TABLE before RENAME TO spending; PRAGMA user_version = 2;"
    )
    bought(tmp_path, teacher="openai:n")
    assert sorted((share.name, share.attempts) for share in this_month()) == [("openai:m", COUNT), ("openai:n", COUNT)]


BATCHES_ALONE = """
CREATE TABLE batches (shard TEXT PRIMARY KEY, provider TEXT NOT NULL, base_url TEXT NOT NULL, model TEXT NOT NULL,
    state TEXT NOT NULL, begun_at REAL NOT NULL, requests INTEGER NOT NULL DEFAULT 0, worst_usd TEXT, newest TEXT,
    batch TEXT, certain INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE not_our_batches (shard TEXT NOT NULL, batch TEXT NOT NULL);
"""


def test_simulated_answers_cost_nothing_and_are_not_of_unknown_cost(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"question": "2+2?", "answer": "4"}\n{"question": "3+3?", "answer": "6"}\n')
    done = cotdistill(
        "generate", tmp_path / "p.jsonl", "-o", tmp_path / "r.jsonl", "--teacher", f"mock:{tmp_path / 'p.jsonl'}"
    )
    assert done.returncode == 0, done.stderr
    (share,) = this_month()
    assert (share.attempts, share.unpriced) == (2, 0), "nobody is paid for them"
    teacher = teachers.build(f"mock:{tmp_path / 'p.jsonl'}", None)
    assert spending.spent_since(default_path(), 0, [(teacher, Prices(teacher.provider, teacher.model))]) == 0, (
        "a month has a sum"
    )


@pytest.mark.parametrize("left", ["", BATCHES_ALONE])
def test_an_empty_file_becomes_a_store_and_so_does_one_with_the_tables_of_batches_alone(
    tmp_path: Path, left: str
) -> None:
    default_path().touch()
    if left:
        change(left)
    assert bought(tmp_path, 2) == COUNT


def damage_one() -> None:
    change("UPDATE answers SET raw = x'00' WHERE key = (SELECT min(key) FROM answers)")


def test_one_damaged_answer_is_named_and_the_others_are_saved(tmp_path: Path) -> None:
    bought(tmp_path)
    damage_one()
    checked = cotdistill("cache", "check")
    assert (checked.returncode, len(checked.stdout.splitlines())) == (1, 1)
    assert "a stored answer is damaged" in checked.stdout
    whole = cotdistill("cache", "export", "-o", tmp_path / "all.jsonl")
    assert whole.returncode == 1 and "export --skip-bad" in whole.stderr and "Traceback" not in whole.stderr
    assert cotdistill("cache", "export", "-o", tmp_path / "all.jsonl", "--skip-bad").returncode == 0
    assert len((tmp_path / "all.jsonl").read_text().splitlines()) == COUNT - 1


def test_a_sound_store_is_said_to_be_sound(tmp_path: Path) -> None:
    bought(tmp_path)
    checked = cotdistill("cache", "check")
    assert (checked.returncode, checked.stdout, "every answer can be read" in checked.stderr) == (0, "", True)


@pytest.mark.parametrize("place", [0, 20, 100, 4_096, 8_200, 12_400, 16_500, 20_500])
def test_a_store_with_a_torn_page_is_one_line_for_every_command(tmp_path: Path, place: int) -> None:
    bought(tmp_path)
    change("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(default_path().read_bytes())
    content[place : place + 200] = b"\xa5" * 200
    default_path().write_bytes(content)
    for call in (
        lambda: admin.stats(default_path()),
        lambda: prune(default_path(), older_than_days=9),
        lambda: list(admin.export(default_path())),
        lambda: list(admin.export(default_path(), lambda problem: None)),
        lambda: admin.check(default_path()),
        this_month,
        lambda: bought(tmp_path),
    ):
        try:
            call()
        except CotDistillError as error:
            assert str(default_path()) in str(error) and "\n" not in str(error)


def test_a_foreign_database_is_one_line_for_every_command(tmp_path: Path) -> None:
    change("CREATE TABLE notes (text TEXT)")
    for command in (
        ("stats",),
        ("check",),
        ("spent",),
        ("prune", "--older-than-days", "1"),
        ("export", "-o", "x.jsonl"),
    ):
        done = cotdistill("cache", *command)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        assert "a store of another version" in done.stderr


def limited(size: int, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    """The command line in a process that may write files of so many bytes: for it, each disk is full then."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, resource.RLIM_INFINITY))"
    return cotdistill(*words, before=limit)


def test_where_the_store_cannot_grow_nothing_is_asked(tmp_path: Path) -> None:
    async def run() -> tuple["subprocess.CompletedProcess[str]", int]:
        async with serving(answer) as server:
            generating(tmp_path, server)
            words = ("generate", tmp_path / "p.jsonl", "-o", tmp_path / "r.jsonl", "--teacher", "openai:m")
            done = await asyncio.to_thread(limited, 600_000, *words, "--base-url", f"{server.url}/v1")
            return done, len(server.requests)

    done, requests = asyncio.run(run())
    assert (done.returncode, requests) == (1, 0), done.stderr
    assert "cannot write" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.partial")) and not list(tmp_path.glob(".*.room"))


def test_the_home_directory_is_spelled_out_of_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COTDISTILL_CACHE", "~/s.sqlite")
    assert default_path() == tmp_path / "s.sqlite"
    assert cotdistill("cache", "path").stdout.strip() == str(tmp_path / "s.sqlite")


# --no-cache


def test_the_own_store_of_an_unfinished_run_stays_and_goes_with_the_last_answer(tmp_path: Path) -> None:
    refused: list[bool] = [True]

    def one_refused(number: int, body: dict[str, Any]) -> Scripted:
        if refused[0] and body["messages"][-1]["content"] == "Q 3":
            return Scripted({"error": {"message": "too odd"}}, 400)
        return Scripted(completion("4"))

    async def run() -> list[int]:
        async with serving(one_refused) as server:
            asked = []
            for _ in range(2):
                await asyncio.to_thread(generating(tmp_path, server, no_cache=True))
                asked.append(len(server.requests))
                assert (tmp_path / "r.jsonl.partial.sqlite").exists() == refused[0]
                refused[0] = False
            return asked

    assert asyncio.run(run()) == [COUNT, COUNT + 1]
    assert not list(tmp_path.glob(".r.jsonl.partial*"))


def test_the_paid_answers_of_an_unfinished_run_without_a_cache_are_not_bought_again_with_one(tmp_path: Path) -> None:
    def all_but_one(number: int, body: dict[str, Any]) -> Scripted:
        refused = body["messages"][-1]["content"] == "Q 3"
        return Scripted({"error": {"message": "too odd"}}, 400) if refused else Scripted(completion("4"))

    async def run() -> list[int]:
        async with serving(all_but_one) as server:
            own = tmp_path / "r.jsonl.partial.sqlite"
            await asyncio.to_thread(generating(tmp_path, server, no_cache=True))
            asked = [len(server.requests)]
            with pytest.raises(UsageError, match=r"partial.sqlite: holds the paid answers .* add --no-cache or"):
                await asyncio.to_thread(generating(tmp_path, server))
            asked.append(len(server.requests))
            await asyncio.to_thread(generating(tmp_path, server, cache=str(own)))
            return [*asked, len(server.requests)]

    assert asyncio.run(run()) == [COUNT, COUNT, COUNT + 1]


def test_a_capped_run_without_a_cache_continues_too(tmp_path: Path) -> None:
    capped = {"price_in": 1_000_000.0, "price_out": 1_000_000.0, "max_output_tokens": 10, "no_cache": True}

    async def run() -> list[int]:
        async with serving(answer) as server:
            asked = []
            for cap in (120.0, None):
                manifest = await asyncio.to_thread(generating(tmp_path, server, **capped, max_cost=cap))
                asked.append(len(server.requests))
                assert manifest.complete == (cap is None)
            return asked

    first, both = asyncio.run(run())
    assert 0 < first < COUNT == both


FULL_DISK = """
mount -t tmpfs -o size=2m none {folder}
{python} -c "
import asyncio, os, pathlib
from cotdistill.store.answers import Store
async def fill(store):
    await asyncio.gather(*(store.put('k%03d' % n, 0, 'f', 'openai', 'm', os.urandom(3000)) for n in range(300)))
store = Store(pathlib.Path('{folder}/s.sqlite')); asyncio.run(fill(store)); store.close()"
dd if=/dev/zero of={folder}/fill bs=1k 2>/dev/null
{python} -m cotdistill cache prune --older-than-days {days} --cache {folder}/s.sqlite || exit 9
rm -f {folder}/fill
{python} -m cotdistill cache check --cache {folder}/s.sqlite
{python} -m cotdistill cache stats --cache {folder}/s.sqlite
"""


def test_a_store_on_a_full_disk_is_pruned_by_way_of_another_disk(tmp_path: Path) -> None:
    """On a disk of its own, which nothing else sees: a new mount namespace."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a file system of their own")
    script = FULL_DISK.format(folder=tmp_path, python=sys.executable, days=0)
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": "/tmp"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "its disk is full; the pruned store is made at" in done.stderr
    assert "300 answers deleted" in done.stderr
    assert "every answer can be read" in done.stdout + done.stderr
    assert not list(Path("/tmp").glob("cotdistill-pruned-*.sqlite-journal"))
