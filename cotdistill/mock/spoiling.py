"""What a fault makes of a reply: another one in its place, a spoilt one, or the same over a broken connection."""

from dataclasses import replace

from cotdistill.mock.faults import Fault
from cotdistill.mock.wire_common import Reply, Wire


def instead(wire: Wire, fault: Fault, path: str) -> Reply | None:
    """What a fault answers in the teacher's place, for nothing; None for one that lets the teacher answer."""
    if fault.kind == "redirect":
        return Reply(307, {}, {"Location": fault.argument or path, **fault.headers})
    if fault.kind == "quota":
        reply = wire.spent()
    elif fault.kind == "error":
        reply = replace(wire.refusal(500, "The server had an error."), status=200)
    elif fault.status is not None:
        reply = wire.refusal(fault.status, f"A scripted {fault.status}.")
    else:
        return None
    wait = {"retry-after": fault.argument} if fault.argument else {}
    content = reply.content if fault.body is None else fault.body
    return replace(reply, content=content, headers={**reply.headers, **wait, **fault.headers})


def spoil(wire: Wire, fault: Fault, reply: Reply, *, stream: bool) -> Reply:
    """What a fault makes of an answer. It stays billed, unless the server had no room to finish it."""
    if reply.billed is None:
        return reply
    if fault.kind == "overload":
        return replace(reply, billed=None) if stream else wire.refusal(529, "Overloaded")
    content = reply.content
    if fault.kind in ("null", "empty", "unknown"):
        content = wire.spoilt(fault.kind, content)
    return replace(reply, content=content, headers={**reply.headers, **fault.headers})
