"""Replies on their way: whole, as a stream, or over a connection that a fault breaks."""

import asyncio
from collections.abc import Iterable, Mapping

import msgspec
from aiohttp import web

from cotdistill.mock.faults import Fault
from cotdistill.mock.wire_common import Reply, Wire, as_response, fresh_id

BROKEN = ("cut", "truncated", "slow")
"""Faults of the connection: the reply's bytes are written by hand."""

TRICKLE_MS = 100


async def send(
    request: web.Request, wire: Wire, reply: Reply, *, stream: bool, fault: Fault | None
) -> tuple[web.StreamResponse, bool]:
    """The response, sent; and whether all of it went out while the client was there."""
    headers = {wire.REQUEST_ID: fresh_id("req_"), **reply.headers}
    if fault and fault.kind in BROKEN:
        head, body = _as_bytes(wire, reply, headers, stream)
        return web.Response(), await _send_broken(request, head, body, fault)
    if not stream:
        response: web.StreamResponse = as_response(reply, wire.REQUEST_ID)
        return response, await _written(request, response, ())
    response = web.StreamResponse(headers={**headers, "Content-Type": "text/event-stream"})
    events = wire.events(reply.content)
    if fault and fault.kind == "overload":
        events = iter([next(events), wire.overload_event()])
    return response, await _written(request, response, events)


async def _written(request: web.Request, response: web.StreamResponse, pieces: Iterable[bytes]) -> bool:
    try:
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        await response.write_eof()
    except ConnectionError:
        return False
    return request.transport is not None and not request.transport.is_closing()


async def _send_broken(request: web.Request, head: bytes, body: bytes, fault: Fault) -> bool:
    """Written by hand and closed, so that aiohttp sends nothing else on this connection."""
    transport, whole = request.transport, head + body
    if transport is None:
        return False
    if fault.kind == "slow":
        for byte in whole:
            if transport.is_closing():
                return False
            transport.write(bytes([byte]))
            await asyncio.sleep(fault.number(TRICKLE_MS) / 1000)
    elif fault.kind == "truncated":
        transport.write(head + body[: len(body) // 2])
    else:
        transport.write(whole[: fault.number(len(whole) // 2)])
    transport.close()
    return fault.kind == "slow"


def _as_bytes(wire: Wire, reply: Reply, headers: Mapping[str, str], stream: bool) -> tuple[bytes, bytes]:
    """Head and body as they would be sent. A stream goes in one chunk, whose end a client must miss when it is cut."""
    if stream:
        events = b"".join(wire.events(reply.content))
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(events), events)
        framing = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}
    else:
        body = msgspec.json.encode(reply.content)
        framing = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{name}: {value}" for name, value in {**headers, **framing}.items()]
    return "\r\n".join([f"HTTP/1.1 {reply.status} Scripted", *lines, "", ""]).encode("latin-1"), body
