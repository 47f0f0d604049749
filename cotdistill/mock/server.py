"""The embedded teacher's HTTP server. It listens on loopback unless told otherwise, and keeps counts, no texts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from cotdistill.errors import CotDistillError
from cotdistill.mock import batches, wire_anthropic, wire_openai
from cotdistill.mock.teacher import TEACHER, ServerConfig, Teacher

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(config: ServerConfig) -> web.Application:
    app = web.Application(client_max_size=64 * 2**20, middlewares=[_latency])
    app[TEACHER] = Teacher(config)
    app.router.add_get("/", _hello)
    app.router.add_get("/ledger", _ledger)
    app.router.add_post("/v1/chat/completions", wire_openai.complete)
    app.router.add_post("/v1/messages", wire_anthropic.create)
    app.router.add_get("/v1/models", _models)
    batches.add_routes(app)
    app.router.add_route("*", "/{path:.*}", _not_found)
    return app


@asynccontextmanager
async def running(config: ServerConfig, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve while the block runs; gives `http://host:port`. Port 0 takes a free one."""
    runner = web.AppRunner(build_app(config), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=1024)
    try:
        await site.start()
        yield f"http://{host}:{runner.addresses[0][1]}"
    except OSError as error:
        if site.name and not runner.addresses:
            raise CotDistillError(f"cannot listen on {host}:{port}: {error.strerror}. Give another --port") from None
        raise
    finally:
        await runner.cleanup()


@web.middleware
async def _latency(request: web.Request, handler: Handler) -> web.StreamResponse:
    teacher = request.app[TEACHER]
    if request.method == "POST":
        teacher.ledger["requests"] += 1
        if teacher.config.latency_s:
            await asyncio.sleep(teacher.config.latency_s)
    return await handler(request)


async def _hello(request: web.Request) -> web.Response:
    return web.Response(text="This is cotdistill's simulated teacher. It is a program, not a language model.\n")


async def _ledger(request: web.Request) -> web.Response:
    teacher = request.app[TEACHER]
    counts = {name: teacher.ledger[name] for name in ("requests", "answers", "input_tokens", "output_tokens")}
    return web.Response(body=msgspec.json.encode(counts), content_type="application/json")


async def _models(request: web.Request) -> web.Response:
    name = f"simulated-{request.app[TEACHER].config.source.name}"
    listed: dict[str, Any] = {"object": "list", "data": [{"id": name, "object": "model", "owned_by": "cotdistill"}]}
    if "anthropic-version" in request.headers:
        listed = {"data": [{"id": name, "type": "model", "display_name": "Simulated teacher"}], "has_more": False}
    return web.Response(body=msgspec.json.encode(listed), content_type="application/json")


async def _not_found(request: web.Request) -> web.Response:
    error = wire_anthropic.error if "anthropic-version" in request.headers else wire_openai.error
    return error(404, "not_found_error", f"no such path: {request.method} {request.path[:200]}")
