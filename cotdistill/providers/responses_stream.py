"""A streamed response (Responses API) in the shape it has unstreamed: its last event repeats it whole.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

from collections.abc import AsyncIterator

import msgspec

from cotdistill.providers.event_stream import events
from cotdistill.providers.lenient import error_in, mapping
from cotdistill.providers.types import BadReplyError


async def collect(chunks: AsyncIterator[bytes]) -> bytes:
    """The response in JSON. Raises BadReplyError for an error among the events, or when the end does not come."""
    async for event in events(chunks, "event of a response"):
        if isinstance(event, str):
            break
        kind = event.get("type")
        if kind in ("response.completed", "response.incomplete", "response.failed"):
            return msgspec.json.encode(mapping(event.get("response")))
        if kind == "error" or event.get("error"):
            raise error_in(event.get("error") or event) or BadReplyError("the stream ended in an error")
    raise BadReplyError("the stream ended before the response did")
