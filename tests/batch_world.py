"""A provider with Batch APIs on loopback, whose every request a test may watch, hold up or answer itself."""

import asyncio
import json
import multiprocessing
import os
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing import connection
from pathlib import Path
from typing import Any

from aiohttp import web

from cotdistill.artifacts import Manifest
from cotdistill.artifacts.json_lines import read_records
from cotdistill.config import GenerateConfig
from cotdistill.mock import problems
from cotdistill.mock.batches import DESK, BatchSettings
from cotdistill.mock.server import build_app
from cotdistill.mock.sources import Scripted
from cotdistill.mock.teacher import TEACHER, ServerConfig
from cotdistill.records import Response
from cotdistill.stages import generate as stage
from cotdistill.stages.generate import batch
from cotdistill.stages.generate.batch import collect
from cotdistill.stages.generate.batch.calls import Pace
from tests.conftest import Notes

QUICK: dict[str, Any] = {"first_s": 0.01, "most_s": 0.03, "settle_s": 0.1, "retry_s": 0.01, "attempts": 4}
PROVIDERS = ("openai", "anthropic")
CREATE = {"openai": "/v1/batches", "anthropic": "/v1/messages/batches"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Around = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]


@dataclass
class World:
    tmp_path: Path
    app: web.Application
    url: str = ""
    around: Around | None = None
    """Put between server and client; gets each request and what would answer it."""
    requests: list[str] = field(default_factory=list)
    progress: Notes = field(default_factory=Notes)

    @property
    def settings(self) -> BatchSettings:
        return self.app[DESK].settings

    @property
    def ledger(self) -> Counter[str]:
        return self.app[TEACHER].ledger

    def teacher(self, provider: str) -> dict[str, Any]:
        base_url = f"{self.url}/v1" if provider == "openai" else self.url
        return {"teacher": f"{provider}:m", "base_url": base_url}

    def questions(self, count: int, *, backwards: bool = False) -> Path:
        path = self.tmp_path / "prompts.jsonl"
        chosen = enumerate(problems.generate(count, seed=1))
        lines = [
            json.dumps({"id": f"p{n}", "question": problem.text, "answer": problem.answer}) for n, problem in chosen
        ]
        path.write_text("\n".join(reversed(lines) if backwards else lines) + "\n")
        return path

    async def generate(
        self, provider: str, count: int, name: str = "r", *, backwards: bool = False, **options: Any
    ) -> Manifest:
        config = GenerateConfig(**{**self.teacher(provider), "batch": True, **options})
        output = self.tmp_path / f"{name}.jsonl"
        return await asyncio.to_thread(
            stage.run, self.questions(count, backwards=backwards), output, config, self.progress
        )

    def responses(self, name: str = "r") -> list[Response]:
        return list(read_records(self.tmp_path / f"{name}.jsonl", Response))

    def process(self, provider: str, count: int, **pace: Any) -> Any:
        """`cotdistill generate --batch` in a process of its own, begun."""
        teacher = self.teacher(provider)
        words = ["generate", str(self.questions(count)), "-o", str(self.tmp_path / "r.jsonl"), "--batch"]
        words += ["--teacher", teacher["teacher"], "--base-url", teacher["base_url"]]
        return forked(words, self.tmp_path / "stderr", self.tmp_path, **pace)

    def stored(self) -> int:
        with sqlite3.connect(os.environ["COTDISTILL_CACHE"]) as store:
            return int(store.execute("SELECT count(*) FROM answers").fetchone()[0])


@asynccontextmanager
async def world(tmp_path: Path, key: str | None = None, **settings: Any) -> AsyncIterator[World]:
    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        here.requests.append(f"{request.method} {request.path}")
        return await (here.around(request, handler) if here.around else handler(request))

    app = build_app(ServerConfig(source=Scripted(), api_key=key))
    app.middlewares.append(watch)
    app[DESK].settings = BatchSettings(**settings)
    here = World(tmp_path, app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        here.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield here
    finally:
        await runner.cleanup()


def cut_connection(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def died(process: Any) -> int:
    """Wait for its end; gives the exit code."""
    await _end_of(process)
    process.join()
    return int(process.exitcode)


async def kill(process: Any) -> None:
    """Returns when it is dead, so that it sees nothing of what the server does next."""
    os.kill(process.pid, signal.SIGKILL)
    await _end_of(process)


async def _end_of(process: Any) -> None:
    assert await asyncio.to_thread(connection.wait, [process.sentinel], 20), "it hangs"


# Forked from a server that has everything imported: a process of its own in milliseconds.
PRELOADED = ("openai", "anthropic", "cotdistill.cli.main", "tests.batch_world")
forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(list(PRELOADED))


def forked(words: list[str], stderr: Path, folder: Path, **pace: Any) -> Any:
    """The command line, begun in `folder` as a process and a process group of its own. Batches go quickly there."""
    started = forks.Process(target=_command, args=(words, dict(os.environ), stderr, folder, pace))
    started.start()
    return started


def _command(words: list[str], environment: dict[str, str], stderr: Path, folder: Path, pace: dict[str, Any]) -> None:
    from cotdistill.cli import main

    os.setpgrp()
    os.chdir(folder)
    os.environ.update(environment)
    batch.PACE = Pace(**{**QUICK, **pace})
    collect.AT_ONCE = 2
    sys.argv = ["cotdistill", *words]
    sys.stdout = sys.stderr = stderr.open("w")
    main.main()
