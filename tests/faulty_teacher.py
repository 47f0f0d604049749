"""The embedded teacher on loopback with faults, limits and a ledger, and `generate` run against it."""

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from cotdistill.artifacts import Manifest
from cotdistill.artifacts.json_lines import read_records
from cotdistill.config import GenerateConfig
from cotdistill.errors import CotDistillError
from cotdistill.mock import problems
from cotdistill.mock.faults import Faults, parse
from cotdistill.mock.server import build_app
from cotdistill.mock.sources import Scripted
from cotdistill.mock.teacher import TEACHER, ServerConfig, Teacher
from cotdistill.progress import Silent
from cotdistill.records import Response
from cotdistill.stages import generate as stage
from tests.command_server import Command
from tests.conftest import start

PATHS = {"openai": "/v1", "openai_responses": "/v1", "anthropic": ""}


@dataclass
class Rehearsal:
    """One server and whoever asks it, with files in one directory."""

    path: Path
    teacher: Teacher
    url: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    """When each request came, in Unix time."""
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return self.teacher.ledger["requests"]

    @property
    def answers(self) -> int:
        return self.teacher.ledger["answers"]

    def mend(self) -> None:
        self.teacher.faults = Faults(())

    def bills(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.path / "ledger.jsonl").read_text().splitlines()]

    def prompts(self, count: int) -> Path:
        path = self.path / "prompts.jsonl"
        chosen = enumerate(problems.generate(count, seed=1))
        lines = [json.dumps({"id": f"p{n}", "question": one.text, "answer": one.answer}) for n, one in chosen]
        path.write_text("\n".join(lines) + "\n")
        return path

    def words(self, provider: str = "openai") -> list[str]:
        return ["--teacher", f"{provider}:simulated", "--base-url", self.url + PATHS[provider]]

    async def generate(self, count: int, provider: str = "openai", output: str = "r", **options: Any) -> Manifest:
        config = GenerateConfig(
            **{"teacher": f"{provider}:simulated", "base_url": self.url + PATHS[provider], **options}
        )
        return await asyncio.to_thread(stage.run, self.prompts(count), self.path / f"{output}.jsonl", config, Silent())

    def start(self, count: int, output: str = "r", *words: str, before: str = "") -> Command:
        """`cotdistill generate` in a process of its own."""
        output = str(self.path / f"{output}.jsonl")
        return start("generate", self.prompts(count), "-o", output, *self.words(), *words, before=before)

    async def fails(self, count: int, provider: str = "openai", **options: Any) -> CotDistillError:
        try:
            await self.generate(count, provider, **options)
        except CotDistillError as error:
            return error
        raise AssertionError("the run did not stop")

    def stored(self) -> set[str]:
        """The idempotency keys of what the store holds."""
        with sqlite3.connect(os.environ["COTDISTILL_CACHE"]) as store:
            return {f"{key}-{sample}" for key, sample in store.execute("SELECT key, sample FROM answers")}

    def responses(self, output: str = "r") -> list[Response]:
        return list(read_records(self.path / f"{output}.jsonl", Response))


@asynccontextmanager
async def rehearsing(path: Path, faults: str = "", **config: Any) -> AsyncIterator[Rehearsal]:
    settings = {"source": Scripted(), "faults": parse(faults), "ledger": path / "ledger.jsonl", **config}
    app = build_app(ServerConfig(**settings))

    @web.middleware
    async def watch(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.method == "POST":
            here.arrivals.append(time.time())
            here.headers.append({name.lower(): value for name, value in request.headers.items()})
            if request.content_type == "application/json" and request.can_read_body:
                here.bodies.append(await request.json())
        response: web.StreamResponse = await handler(request)
        return response

    app.middlewares.append(watch)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        here = Rehearsal(path, app[TEACHER], f"http://127.0.0.1:{runner.addresses[0][1]}")
        yield here
    finally:
        await runner.cleanup()
