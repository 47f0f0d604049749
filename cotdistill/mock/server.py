"""The embedded teacher's HTTP server. It listens on loopback by default, and keeps counts, no texts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import msgspec
from aiohttp import web

from cotdistill.errors import CotDistillError
from cotdistill.mock import batches, batches_anthropic, batches_openai, models, wire_anthropic, wire_openai
from cotdistill.mock.apis import wires
from cotdistill.mock.sending import send
from cotdistill.mock.spoiling import instead, spoil
from cotdistill.mock.teacher import TEACHER, ServerConfig, Teacher
from cotdistill.mock.wire_common import Wire, read_body


def build_app(config: ServerConfig) -> web.Application:
    app = web.Application(client_max_size=64 * 2**20)
    app[TEACHER] = Teacher(config)
    app.router.add_get("/", _hello)
    app.router.add_get("/health", _hello)  # as vLLM, SGLang and others answer once they are ready
    app.router.add_get("/ledger", _ledger)
    for path, wire in wires(config.scorer).items():
        app.router.add_post(path, partial(_serve, wire))
    app.router.add_get("/v1/models", models.listed)
    app.router.add_get("/v1/models/{id:.+}", models.one)
    desk = batches.BatchDesk()
    app[batches.DESK] = desk
    app.on_cleanup.append(desk.close)
    batches_openai.add_routes(app.router)
    batches_anthropic.add_routes(app.router)
    app.router.add_route("*", "/{path:.*}", _not_found)
    app.on_cleanup.append(_close)
    return app


@asynccontextmanager
async def running(config: ServerConfig, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve while the block runs; yields `http://host:port`. Port 0 takes a free one."""
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


async def _serve(wire: Wire, request: web.Request) -> web.StreamResponse:
    """One request, in the order a provider takes it: refuse what exceeds a limit, answer, bill, send."""
    teacher, content = request.app[TEACHER], await request.read()
    teacher.ledger["requests"] += 1
    fault = teacher.faults.draw()
    reply = instead(wire, fault, request.path) if fault else None
    if reply is None:
        reply = teacher.admit(wire, teacher.compute(wire, content, request.headers))
    if reply.billed:
        await asyncio.sleep(teacher.latency_s() + (fault.delay_s if fault else 0.0))
    stream = reply.billed is not None and read_body(content).get("stream") is True
    if fault:
        reply = spoil(wire, fault, reply, stream=stream)
    teacher.bill(reply)
    response, delivered = await send(request, wire, reply, stream=stream, fault=fault)
    teacher.book(wire, content, request.headers, reply, delivered=delivered)
    return response


async def _hello(request: web.Request) -> web.Response:
    return web.Response(text="This is cotdistill's simulated teacher. It is a program, not a language model.\n")


async def _ledger(request: web.Request) -> web.Response:
    teacher = request.app[TEACHER]
    counts = {name: teacher.ledger[name] for name in ("requests", "answers", "input_tokens", "output_tokens")}
    return web.Response(body=msgspec.json.encode(counts), content_type="application/json")


async def _not_found(request: web.Request) -> web.Response:
    error = wire_anthropic.error if "anthropic-version" in request.headers else wire_openai.error
    return error(404, "not_found_error", f"no such path: {request.method} {request.path[:200]}")


async def _close(app: web.Application) -> None:
    app[TEACHER].ledger.close()
