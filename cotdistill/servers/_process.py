"""One server's life: started on a free port of this machine, asked for its health until it answers, ended with us."""

import asyncio
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotdistill.errors import CotDistillError
from cotdistill.masking import environment_without_keys, masked_message

if TYPE_CHECKING:
    from cotdistill.servers import Server

HOST = "127.0.0.1"
STARTING_S = 1200.0
"""A large model is read from a slow disk and compiled for this long at most."""
BETWEEN_LOOKS_S = 0.2
PORTS = 3
"""Ports that are tried: another program may take a free one before the server does."""
STOPPING_S = 20.0
"""More than the watcher takes to kill what does not end by itself."""
DYING_S = 2.0
"""A server that drops a connection may be at its end; whether it is shows within this."""
LAST_LINES, MOST_LETTERS = 12, 1500
"""Of a log that are shown."""

_WATCHER = Path(__file__).with_name("_watch.py")
_TAKEN = "address already in use"


@dataclass
class Running:
    """A server that answers. `url` is the base URL of its API, `model` the name it knows its model by, `student` the
    one a person knows."""

    engine: str
    student: str
    model: str
    port: int
    log: Path
    process: asyncio.subprocess.Process = field(repr=False)
    failed: bool = False
    """Its log is kept, for it says something."""

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/v1"

    async def check(self) -> None:
        """Raises CotDistillError where the server has ended, with the last that it said."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), DYING_S)
        if self.process.returncode is not None:
            raise self.ended()

    def ended(self) -> CotDistillError:
        return self.failure(f"the server ended {_how(self.process.returncode)}")

    def failure(self, what: str) -> CotDistillError:
        words = _last_words(self.log)
        self.failed = bool(words)
        said = f"; it said last:\n{words}\nits whole log is {self.log}" if words else " and said nothing"
        return CotDistillError(f"engine {self.engine}, {self.student}: {what}{said}")


@asynccontextmanager
async def running(
    server: "Server",
    engine: str,
    model: str,
    *,
    student: str | None = None,
    environment: Mapping[str, str] | None = None,
    starting_s: float = STARTING_S,
) -> AsyncIterator[Running]:
    """The server of `model` (a directory or a hub id), while the block runs. It ends with this process, however this
    one ends. Its log is kept where it failed. Errors name the `student`, whose files `model` may be.

    Raises CotDistillError where it is not installed, ends, or does not answer within `starting_s`."""
    command, name = server.command(), student or model
    whole = {**environment_without_keys(of_the_hub=True), **(environment or {})}

    async def launch() -> Running:
        port = _free_port()
        process, log = await _launch([*command, *server.options(model, HOST, port)], engine, whole)
        return Running(engine, name, model, port, log, process)

    found = await _started(launch, starting_s)
    try:
        yield found
    finally:
        await _stop(found)


async def _started(launch: Callable[[], Awaitable[Running]], starting_s: float) -> Running:
    for attempt in range(1, PORTS + 1):
        found = await launch()
        healthy = False
        try:
            await _until_healthy(found, starting_s)
            healthy = True
            return found
        except CotDistillError:
            if attempt == PORTS or _TAKEN not in _last_words(found.log).lower():
                raise
            found.failed = False
        finally:
            if not healthy:
                await _stop(found)
    raise AssertionError("the last attempt returns or raises")


async def _launch(
    command: list[str], engine: str, environment: dict[str, str]
) -> tuple[asyncio.subprocess.Process, Path]:
    descriptor, path = tempfile.mkstemp(prefix=f"cotdistill-{engine}-", suffix=".log")
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(_WATCHER),
            path,
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=descriptor,
            stderr=descriptor,
            env=environment,
            start_new_session=True,  # Ctrl-C in a terminal is for this process: what is in flight is waited for
        )
    finally:
        os.close(descriptor)
    return process, Path(path)


async def _until_healthy(found: Running, starting_s: float) -> None:
    import httpx2

    deadline = time.monotonic() + starting_s
    # No proxy of the environment: it is this machine that is asked.
    async with httpx2.AsyncClient(trust_env=False, timeout=5.0) as client:
        while True:
            if await _is_healthy(client, found.port):
                if found.process.returncode is None:  # else another program's server answers at this port
                    return
                raise found.ended()
            if found.process.returncode is not None:
                raise found.ended()
            if time.monotonic() > deadline:
                raise found.failure(f"the server did not answer within {starting_s:g} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(found.process.wait(), BETWEEN_LOOKS_S)


async def _is_healthy(client: Any, port: int) -> bool:
    import httpx2

    with suppress(httpx2.HTTPError):
        return bool((await client.get(f"http://{HOST}:{port}/health")).is_success)
    return False


async def _stop(found: Running) -> None:
    """Close the pipe, upon which the watcher ends the server; also when this task is being cancelled."""
    assert found.process.stdin is not None
    if found.failed and not found.process.stdin.is_closing():  # else the watcher has ended
        found.process.stdin.write(b"keep the log")
    found.process.stdin.close()
    with suppress(TimeoutError):
        await asyncio.wait_for(found.process.wait(), STOPPING_S)
    if not found.failed:
        found.log.unlink(missing_ok=True)  # where the watcher was killed, or had ended with the server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _how(code: int | None) -> str:
    if code is not None and code > 128:
        return f"by signal {code - 128}"
    return f"with code {code}"


def _last_words(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    lines = [line for line in text.replace("\r", "\n").splitlines() if line.strip()][-LAST_LINES:]
    return masked_message("\n".join(lines)[-MOST_LETTERS:])
