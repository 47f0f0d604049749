"""Another process comes between two looks, or between a look and what is done by it: each test puts it there."""

import asyncio
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cotdistill import artifacts, report
from cotdistill.artifacts import outputs
from cotdistill.artifacts.lock import is_lock, lock_path
from cotdistill.artifacts.outputs import Place
from cotdistill.cli import init
from cotdistill.cli.arguments import named
from cotdistill.config import FilterConfig, GenerateConfig
from cotdistill.errors import LOCKED, CotDistillError, OutputLockedError, UsageError
from cotdistill.exports.llama_factory import Export
from cotdistill.progress import Silent
from cotdistill.recipes import demo, directories, disk, month, starter
from cotdistill.recipes import run as running
from cotdistill.recipes.demo import Demo
from cotdistill.recipes.directories import Directories
from cotdistill.recipes.recipe import read
from cotdistill.stages import filter as filtering
from cotdistill.stages import generate
from cotdistill.store import prune as pruning
from cotdistill.store.answers import Store
from cotdistill.store.database import FullDiskError
from cotdistill.store.spending import Paid
from tests import test_month
from tests.conftest import make_responses, write_records
from tests.scripted_server import Scripted, completion, serving


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_records(tmp_path / "r.jsonl", make_responses(12, 1))


def keep(source: Path, kept: Path) -> None:
    filtering.run(source, kept, FilterConfig(), Silent())


def test_an_output_that_another_run_is_just_giving_its_name_is_that_runs_and_no_foreign_file(source: Path) -> None:
    kept = source.with_name("kept.jsonl")
    with artifacts.lock(kept):
        kept.write_bytes(b"{}\n")  # there already, its manifest not yet
        with pytest.raises(OutputLockedError, match=rf"kept.jsonl: process {os.getpid()} since .* is writing it"):
            keep(source, kept)
    with pytest.raises(UsageError, match="was not written by this command"):
        keep(source, kept)
    assert kept.read_bytes() == b"{}\n"
    assert not lock_path(kept).exists()


def test_what_came_to_stand_there_before_the_lock_was_taken_is_not_replaced(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = source.with_name("kept.jsonl")

    @contextmanager
    def late(output: Path, held: str = "") -> Iterator[None]:
        kept.write_bytes(b"of another stage\n")
        with artifacts.lock(output):
            yield

    monkeypatch.setattr(sys.modules["cotdistill.artifacts.run"], "lock", late)
    with pytest.raises(UsageError, match="was not written by this command"):
        keep(source, kept)
    assert kept.read_bytes() == b"of another stage\n"


def test_a_file_that_goes_while_it_is_looked_at_is_in_no_ones_way(tmp_path: Path) -> None:
    (tmp_path / ".x.lock").write_text("process 1")

    def removed(path: Path) -> bool:
        path.unlink()  # by the run that held it
        return is_lock(path)

    outputs.check([Place(tmp_path / ".x.lock", removed)])


def test_an_input_that_another_run_is_writing_is_said_to_be_that(source: Path) -> None:
    kept = source.with_name("kept.jsonl")
    keep(source, kept)
    with artifacts.lock(kept):
        kept.write_bytes(b"{}\n")
        with pytest.raises(OutputLockedError, match=r"is writing it; run this again when it has ended"):
            artifacts.Run("format", source, {}, (), ()).read(kept, written_by="filter")
    with pytest.raises(CotDistillError, match=r"changed since kept.manifest.json was written"):
        artifacts.Run("format", source, {}, (), ()).read(kept, written_by="filter")


def test_a_page_a_table_and_a_demo_have_one_writer_at_a_time(source: Path, tmp_path: Path) -> None:
    keep(source, tmp_path / "kept.jsonl")
    for target, command in (
        (tmp_path / "r.html", lambda: report.write(tmp_path, tmp_path / "r.html")),
        (tmp_path / "d", lambda: demo.run(Demo(tmp_path / "d", problems=2, steps=1), Silent())),
    ):
        with artifacts.lock(target), pytest.raises(OutputLockedError, match="is writing it"):
            command()
        assert not target.exists()


def test_of_two_inits_in_one_folder_the_second_ends_with_the_code_of_a_lock(tmp_path: Path) -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        ("recipe", "teacher", "base_url", "student", "prompts", "prompt_field", "reference_field")
    )
    with starter.alone(tmp_path / "new"), pytest.raises(OutputLockedError, match=r"new/recipe.toml: process \d+ since"):
        init.init(tmp_path / "new", task="code", yes=True, **nothing)
    assert OutputLockedError.exit_code == LOCKED
    assert not (tmp_path / "new").exists()


def test_entries_that_many_runs_add_to_one_file_at_once_are_all_in_it(tmp_path: Path) -> None:
    def add(names: range) -> None:
        for n in names:
            Export().rows(tmp_path / f"{n}.jsonl", None, "alpaca", set())

    threads = [threading.Thread(target=add, args=(range(at, 30, 3),)) for at in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    entries = json.loads((tmp_path / "dataset_info.json").read_text())
    assert sorted(entries, key=int) == [str(n) for n in range(30)]


def two_recipes(folder: Path) -> list[Directories]:
    found = []
    for name in ("a", "b"):
        (folder / f"{name}.toml").touch()
        one = Directories(folder / "runs", folder / f"{name}.toml")
        run = one.begin()
        directories.finish(run.path, run.record)
        found.append(one)
    return found


def test_of_two_recipes_that_make_latest_at_once_one_has_it_and_the_other_one_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_recipes(tmp_path)
    link_to = Path.symlink_to

    def late(link: Path, target: Path) -> None:
        monkeypatch.setattr(Path, "symlink_to", link_to)
        second.point_latest()
        link.symlink_to(target)

    monkeypatch.setattr(Path, "symlink_to", late)
    first.point_latest()
    runs = {one: one.runs()[0].path.name for one in (first, second)}
    assert (tmp_path / "runs" / "latest").readlink() == Path(runs[second])
    assert (tmp_path / "runs" / "latest-a").readlink() == Path(runs[first])


def test_a_run_that_is_killed_while_it_begins_leaves_no_directory_without_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import os, sys, pathlib\nfrom cotdistill.recipes import directories as d, record\n"
        "record.save = lambda *_: os._exit(9)\n"
        "d.Directories(pathlib.Path('runs'), pathlib.Path('a.toml')).begin()\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 9
    first, second = two_recipes(tmp_path)
    names = {run.path.name for one in (first, second) for run in one.runs()}
    assert {one.name for one in (tmp_path / "runs").iterdir()} == names
    assert len(names) == 2, "also where both began in one second"


def test_a_directory_of_another_recipe_is_never_taken_for_a_free_name(tmp_path: Path) -> None:
    for name in ("fresh", "taken"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(name)
    assert not directories._renamed(tmp_path / "fresh", tmp_path / "taken")
    assert (tmp_path / "taken" / "run.json").read_text() == "taken"
    assert directories._renamed(tmp_path / "fresh", tmp_path / "free")


def test_status_passes_over_a_file_that_a_run_renames_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.jsonl").write_text('{"question": "1+1?", "answer": "2"}\n')
    (tmp_path / "r.toml").write_text(
        f'prompts = "{tmp_path}/p.jsonl"\nruns = "{tmp_path}"\n[generate]\nteacher = "mock:digit-chains"\n'
    )
    (tmp_path / "train.jsonl").write_text("12")
    there = sorted(tmp_path.iterdir())
    names = [*(one.name for one in there), "x.jsonl.partial"]
    monkeypatch.setattr(os, "walk", lambda _: [(str(tmp_path), [], names)])
    assert disk.used(read(tmp_path / "r.toml"), [tmp_path]).data == sum(one.stat().st_size for one in there)


@pytest.mark.parametrize(
    ("recipe", "model"),
    [("/other.toml", "m"), ("", "m"), ("r.toml", "m"), ("r.toml", "a judge")],
    ids=["another recipe's", "a command's", "a grid's of the same recipe", "a grid's judge"],
)
def test_a_month_pays_for_what_another_run_buys_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str, model: str
) -> None:
    monkeypatch.setattr(month, "LOOK_S", 0.0)
    payer = str(tmp_path / recipe) if recipe else ""
    bought = Paid("openai", model, "generate", payer, "another", 0, Decimal(60), None, "another" if recipe else "")

    async def run() -> tuple[Any, int]:
        def answer(number: int, body: dict[str, Any]) -> Scripted:
            if number == 2:
                paying = threading.Thread(target=asyncio.run, args=(another(),))
                paying.start()
                paying.join()  # before this answer comes, however busy the machine is
            return test_month.answer(number, body)

        async def another() -> None:
            store = Store(tmp_path / "own.sqlite")
            await store.put("another", 0, "f", "openai", model, b"{}", bought)
            await asyncio.to_thread(store.close)

        async with serving(answer) as server:
            path = test_month.recipe(tmp_path, server, month=150.0)
            return await asyncio.to_thread(running.run, read(path), Silent()), len(server.requests)

    outcome, asked = asyncio.run(run())
    assert outcome.stopped_by == "budget"
    with closing(sqlite3.connect(tmp_path / "own.sqlite")) as store:
        paid = [float(cost) for (cost,) in store.execute("SELECT cost_usd FROM spending")]
    assert max(paid) == 60 and len(paid) == asked + 1 > 3, "both bought some"
    assert sum(paid) <= 150


@pytest.mark.parametrize("first", ["the run itself", "the guest"])
def test_another_runs_own_store_is_not_paid_into_while_that_run_may_remove_it(tmp_path: Path, first: str) -> None:
    (tmp_path / "p.jsonl").write_text('{"question": "Q 0"}\n{"question": "Q 1"}\n')
    refused: list[CotDistillError] = []

    async def run() -> int:
        def generating(name: str, **options: Any) -> None:
            config = GenerateConfig(teacher="openai:m", base_url=f"{server.url}/v1", concurrency=1, **options)
            generate.run(tmp_path / "p.jsonl", tmp_path / name, config, Silent())

        def of_itself() -> None:
            generating("r.jsonl", no_cache=True)

        def guest() -> None:
            generating("other.jsonl", cache=str(tmp_path / "r.jsonl.partial.sqlite"))

        begun, second = (of_itself, guest) if first == "the run itself" else (guest, of_itself)

        def at_once() -> None:
            try:
                second()
            except CotDistillError as error:
                refused.append(error)

        def answer(number: int, body: dict[str, Any]) -> Scripted:
            if number == 1:
                other = threading.Thread(target=at_once, daemon=True)
                other.start()
                other.join(5.0)  # it is refused before it asks; one that asked would wait for this server in vain
            return Scripted(completion("4"))

        async with serving(answer) as server:
            await asyncio.to_thread(begun)
            await asyncio.to_thread(second)
            return len(server.requests)

    asked = asyncio.run(run())
    (error,) = refused
    assert error.exit_code == LOCKED
    why = "has r.jsonl.partial.sqlite as its own store.*give another --cache" if first == "the run itself" else ""
    assert re.search(rf"r.jsonl: process {os.getpid()} since .*{why}", str(error))
    assert asked == (4 if first == "the run itself" else 2), "what the guest bought is there for the run itself"
    assert not lock_path(tmp_path / "r.jsonl").exists()


def test_two_outputs_that_share_a_file_are_not_written_at_once(source: Path, tmp_path: Path) -> None:
    def held(path: str, needs: str) -> Any:
        return pytest.raises(OutputLockedError, match=rf"{path}: process .* is writing it too, which {needs} needs")

    kept, dropped = tmp_path / "kept.jsonl", tmp_path / "kept.dropped.jsonl"
    with artifacts.run("filter", tmp_path / "kept.parquet", {}), held("kept.manifest.json", "kept.jsonl"):
        keep(source, kept)
    with artifacts.run("format", dropped, {}), held("kept.dropped.jsonl", "kept.jsonl"):
        keep(source, kept)
    its_own = pytest.raises(OutputLockedError, match=r"kept.dropped.jsonl: process .* is writing it; wait for it")
    with artifacts.run("filter", kept, {}, siblings=[dropped]), its_own:
        keep(source, dropped)
    weak = Place(tmp_path / "weak.jsonl", outputs.never, "--write-weak", held=True)
    first, second = (artifacts.run("evaluate", tmp_path / name, {}, also=[weak]) for name in ("a.json", "b.json"))
    with first, held("weak.jsonl", "b.json"), second:
        pass
    keep(source, kept)
    assert not list(tmp_path.glob(".*lock"))


def test_a_store_that_another_process_has_open_is_not_pruned_by_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.sqlite"

    async def fill() -> None:
        store = Store(path)
        for key in ("one", "two"):
            await store.put(key, 0, "f", "p", "m", b"{}")
        await asyncio.to_thread(store.close)

    def full(*_: object, **__: object) -> int:
        raise FullDiskError("full")

    asyncio.run(fill())
    monkeypatch.setattr(pruning, "_here", full)
    monkeypatch.setattr(pruning, "_with_room", lambda *_: tmp_path)
    code = f"import sqlite3\nc = sqlite3.connect({str(path)!r})\nc.execute('SELECT count(*) FROM answers').fetchone()\n"
    code += "print(flush=True)\ninput()\n"
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    other.stdout.readline()
    with pytest.raises(CotDistillError, match="while another process has it open"):
        pruning.prune(path, older_than_days=0)
    other.communicate(b"\n")
    assert pruning.prune(path, older_than_days=0) == 2
    assert [one.name for one in tmp_path.iterdir()] == ["s.sqlite"]


@pytest.mark.parametrize("address", ["memory://x/kept.jsonl", "simplecache::memory://x/kept.jsonl"])
def test_an_output_in_the_memory_of_a_command_is_refused(address: str) -> None:
    pytest.importorskip("upath", reason="the extra remote is not installed")
    from cotdistill.cli.arguments import anywhere

    with pytest.raises(UsageError, match="gone when it ends"):
        named(anywhere(address))
