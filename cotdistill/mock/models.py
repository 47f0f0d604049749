"""The embedded teacher's models: any name is served; both providers' lists and details."""

from typing import Any

import msgspec
from aiohttp import web

from cotdistill.mock.teacher import TEACHER
from cotdistill.mock.wire_anthropic import THINKING

EFFORTS = ("low", "medium", "high", "xhigh", "max")


async def listed(request: web.Request) -> web.Response:
    name = f"simulated-{request.app[TEACHER].config.source.name}"
    if "anthropic-version" in request.headers:
        found = {"data": [_anthropic(name)], "has_more": False, "first_id": name, "last_id": name}
    else:
        found = {"object": "list", "data": [_openai(name)]}
    return web.Response(body=msgspec.json.encode(found), content_type="application/json")


async def one(request: web.Request) -> web.Response:
    describe = _anthropic if "anthropic-version" in request.headers else _openai
    found = describe(request.match_info["id"])
    return web.Response(body=msgspec.json.encode(found), content_type="application/json")


def _openai(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "cotdistill"}


def _anthropic(name: str) -> dict[str, Any]:
    supported, unsupported = {"supported": True}, {"supported": False}
    return {
        "id": name,
        "type": "model",
        "display_name": "Simulated teacher",
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "line": None,
        "max_input_tokens": 1_000_000,
        "max_tokens": 128_000,
        "capabilities": {
            "batch": supported,
            "thinking": {"supported": True, "types": dict.fromkeys(THINKING, supported)},
            "effort": {"supported": True, **dict.fromkeys(EFFORTS, supported)},
            **dict.fromkeys(
                (
                    "citations",
                    "code_execution",
                    "context_management",
                    "image_input",
                    "pdf_input",
                    "server_tools",
                    "structured_outputs",
                ),
                unsupported,
            ),
        },
    }
