"""`cotdistill doctor`: what is there, what is not, what is broken."""

import json
import shutil
import sqlite3
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import typer

from cotdistill import doctor
from cotdistill.cli import doctor as command
from cotdistill.doctor import Finding, machine, money, packages
from cotdistill.mock.server import build_app
from cotdistill.mock.sources import Scripted
from cotdistill.mock.teacher import ServerConfig
from tests.conftest import ROOT, cotdistill

KEY = "sk-doctor-0123456789abcdefghij"


def by_name(found: Any) -> dict[str, Finding]:
    return {one.name: one for one in found}


def test_it_shows_every_topic_and_ends_with_0_where_nothing_is_broken(tmp_path: Path) -> None:
    done = cotdistill("doctor", "--json", "--cache", tmp_path / "s.sqlite", OPENAI_API_KEY=KEY)
    found = json.loads(done.stdout)
    assert (done.returncode, found["broken"]) == (0, 0)
    assert {one["topic"] for one in found["findings"]} >= {"machine", "packages", "keys", "store", "disk", "servers"}
    states = {one["name"]: one["state"] for one in found["findings"]}
    assert (states["OPENAI_API_KEY"], states["MISTRAL_API_KEY"], states["python"]) == ("ok", "missing", "ok")
    assert KEY not in done.stdout + done.stderr


def test_a_damaged_store_is_broken_and_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.sqlite").write_bytes(b"no store at all, but some text that is long enough to be looked at" * 20)
    found = list(money.store(tmp_path / "s.sqlite"))
    monkeypatch.setattr(doctor, "findings", lambda store, here: found)
    with pytest.raises(typer.Exit) as ended:
        command.doctor(as_json=False, path=None)
    shown = capsys.readouterr().out
    assert (ended.value.exit_code, "! answers" in shown, "-> cotdistill cache check" in shown) == (1, True, True)
    assert shown.endswith("1 is broken\n")


def test_a_store_is_counted_and_found_whole(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    assert by_name(money.store(path))["answers"].says == f"{path}: none yet; the first answer makes it"
    from cotdistill.store.database import Database

    Database(path).close()
    assert "0 answers" in by_name(money.store(path))["answers"].says
    with sqlite3.connect(path) as store:
        store.execute("PRAGMA user_version = 99")
    store.close()
    assert by_name(money.store(path))["answers"].state == "broken"


def test_a_package_that_is_not_installed_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        packages, "requires", lambda name: {"cotdistill": ["no-such-dist[x]>=1; extra == 'ray'"]}.get(name, [])
    )
    found = by_name(packages.findings())["ray"]
    assert (found.state, found.advice) == ("missing", "pip install 'cotdistill[ray]'")
    assert found.says == "no-such-dist not installed; for filter --engine ray"


def test_extras_within_extras_are_looked_for_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """anthropic[bedrock] is boto3; anthropic itself is always there."""
    wanted = {"cotdistill": ["msgspec[deep]>=1; extra == 'bedrock'"], "msgspec": ["no-such-dist; extra == 'deep'"]}
    monkeypatch.setattr(packages, "requires", lambda name: wanted.get(name, []))
    assert by_name(packages.findings())["bedrock"].says.startswith("no-such-dist not installed")


def test_a_full_disk_is_broken_and_little_room_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    for free, state in ((10 * 2**20, "broken"), (2**30, "missing"), (2**35, "ok")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(2**40, 0, free))
        (found,) = machine.disk({"store": tmp_path / "not" / "yet"})
        assert (found.state, str(tmp_path) in found.says) == (state, True)


def test_a_torch_that_cannot_be_imported_is_broken_not_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so.12: cannot open shared object file')\n")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    (found,) = machine.accelerator()
    assert (found.state, "libcudart.so.12" in found.says) == ("broken", True)
    monkeypatch.delitem(sys.modules, "torch", raising=False)


def test_a_server_of_this_machine_is_named_with_its_models(monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import asynccontextmanager

    from aiohttp import web

    from cotdistill.doctor import servers
    from tests.background import in_background

    @asynccontextmanager
    async def serving() -> Any:
        runner = web.AppRunner(build_app(ServerConfig(Scripted())), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        await runner.cleanup()

    with in_background(serving()) as url:
        monkeypatch.setattr(servers, "_places", lambda: [("vllm", url), ("ollama", "http://127.0.0.1:1/v1")])
        found = by_name(servers.findings())
    assert found["ollama"].says == "nothing answers at http://127.0.0.1:1/v1"
    assert found["vllm"].says.startswith(f"{url} has ")
    assert found["vllm"].advice.startswith("--teacher vllm:")


def test_every_extra_for_users_is_looked_at() -> None:
    extras = (ROOT / "pyproject.toml").read_text().split("[project.optional-dependencies]")[1].split("\n[")[0]
    names = {line.split(" = ")[0] for line in extras.splitlines() if line.endswith(" = [")}
    assert names - set(packages.FOR) <= {"dev", "docs"}
