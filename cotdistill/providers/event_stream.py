"""Events of a stream (text/event-stream), as servers send them: only their data counts here.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import re
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from cotdistill.providers.batch_api import lines
from cotdistill.providers.lenient import document, mended

_BEGINS = re.compile(rb"[\s\xef\xbb\xbf]*(?:data|event|id|retry)?:")

_COMMENTS_BEFORE_JSON = re.compile(rb"(?:\s{0,64}:[^\n]{0,256}\n){1,65536}\s{0,64}(?=[{\[])")

DONE = "[DONE]"


def is_stream(raw: bytes) -> bool:
    """Whether a body is one, whatever its content type says: some servers send one though none was asked for, and some
    name any body one."""
    return bool(_BEGINS.match(raw[:64]))


def without_comments(raw: bytes) -> bytes:
    """A body in JSON without the comments of a stream before it, by which a gateway keeps a connection open."""
    found = _COMMENTS_BEFORE_JSON.match(raw)
    return raw[found.end() :] if found else raw


async def events(chunks: AsyncIterator[bytes], what: str) -> AsyncIterator[dict[str, Any] | str]:
    """The JSON object of each event, and `DONE` where that comes; `what` names what was expected. Lines end with LF,
    CRLF or CR; comments are passed over; data on several lines is one event. Raises BadReplyError."""
    pending = b""
    async for block, _ in lines(chunks):
        for line in block.lstrip(b"\xef\xbb\xbf").split(b"\r"):
            if not line.startswith(b"data:"):
                continue
            data = line[5:].strip()
            if data == DONE.encode():
                yield DONE
            elif data:
                found, pending = _read(pending, data, what)
                if found is not None:
                    yield found
    if pending:
        yield document(pending, what)


def _read(pending: bytes, data: bytes, what: str) -> tuple[dict[str, Any] | None, bytes]:
    """An event that is whole, or what there is of one. Blank lines do not decide, for some servers leave them out."""
    whole = pending + b"\n" + data if pending else data
    try:
        found = msgspec.json.decode(whole)
    except (ValueError, RecursionError):
        try:
            found = msgspec.json.decode(mended(whole))
        except (ValueError, RecursionError, msgspec.MsgspecError):
            return None, whole
    return (found if isinstance(found, dict) else document(whole, what)), b""
