"""A provider on loopback that answers from a script: status, headers and body of each reply in turn."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Scripted:
    """One reply. `body` is sent as JSON unless it is bytes; `cut` closes the connection instead."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut: bool = False


@dataclass
class Server:
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@contextlib.asynccontextmanager
async def serving(answer: Callable[[int, dict[str, Any]], Scripted]) -> AsyncIterator[Server]:
    """`answer(number of the request from 0, its JSON body)` decides each reply."""
    server = Server()

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        server.requests.append(body)
        server.paths.append(request.path_qs)
        server.headers.append({name.lower(): value for name, value in request.headers.items()})
        scripted = answer(len(server.requests) - 1, body)
        await asyncio.sleep(scripted.delay_s)
        if scripted.cut:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        content = scripted.body if isinstance(scripted.body, bytes) else json.dumps(scripted.body).encode()
        headers = {"content-type": "application/json", **scripted.headers}
        return web.Response(body=content, status=scripted.status, headers=headers)

    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    server.url = f"http://127.0.0.1:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


def completion(text: str = "4", finish_reason: str | None = "stop", **message: Any) -> dict[str, Any]:
    """A Chat Completions reply."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "served",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish_reason}
        ],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 5,
            "total_tokens": 12,
            "completion_tokens_details": {"reasoning_tokens": 3},
            "prompt_tokens_details": {"cached_tokens": 2},
        },
    }


def message(*blocks: dict[str, Any], stop_reason: str = "end_turn") -> dict[str, Any]:
    """An Anthropic Messages reply."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "served",
        "content": list(blocks),
        "stop_reason": stop_reason,
        "usage": {
            "input_tokens": 7,
            "cache_read_input_tokens": 2,
            "cache_creation_input_tokens": 1,
            "output_tokens": 5,
            "output_tokens_details": {"thinking_tokens": 3},
        },
    }
