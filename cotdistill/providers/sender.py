"""Posts one JSON body after another to one path, as the SDK's client would, without what the client does anew each
time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cotdistill.providers.connections import Connections
from cotdistill.providers.http1 import Answered, LostError, RawHeaders, decoded
from cotdistill.providers.status_error import WAF_HEADER, StatusError


class Received(NamedTuple):
    """A reply whose status says success."""

    content: bytes
    content_type: str
    headers: RawHeaders


@dataclass
class Sender:
    """Posts JSON to one path as the SDK's client does.

    With `headers`, which are all that the SDK would send besides those that describe the body, no SDK is opened until
    something comes that it handles better: a redirect, or a stream. Without them the first request goes through the
    SDK's low-level `post`; later ones repeat its address and headers, the key included. A request that is signed anew
    each time, or goes through a proxy, always takes the SDK's client.
    """

    open_client: Callable[[], Any]
    """Opens the SDK's client."""
    url: str
    path: str
    headers: dict[str, str] | None
    signed: bool = False
    """Whether each request is signed, or carries a token that is renewed often."""
    _client: Any = field(default=None, init=False, repr=False)
    _first: Any = field(default=None, init=False, repr=False)
    _first_made: asyncio.Event | None = field(default=None, init=False, repr=False)
    """Set once the SDK has made the first request, or failed to. Requests that come meanwhile wait for it."""
    _connections: Connections | None = field(default=None, init=False, repr=False)
    _lines: bytes = field(default=b"", init=False, repr=False)

    def __post_init__(self) -> None:
        if self.headers is None:
            _ = self.client  # opened now: what it refuses is known before anything else happens
        else:
            self._repeat(self.url.rstrip("/") + self.path, list(self.headers.items()))

    @property
    def client(self) -> Any:
        """The SDK's client, opened when it is first needed: an SDK takes longer to import than a thousand requests to
        send."""
        if self._client is None:
            self._client = self.open_client()
            if not self.signed:
                self._client._client.event_hooks["request"].append(self._learn)
        return self._client

    async def close(self) -> None:
        if self._connections is not None:
            self._connections.close()
        if self._client is not None:
            await self._client.close()

    async def post(self, content: bytes, idempotency_key: str) -> Received:
        """Post a body and return the reply. Raises StatusError, LostError, UnreachableError, and the SDK's errors."""
        if self._first_made is not None and not self._first_made.is_set():
            await self._first_made.wait()
        if self._connections is not None:
            lines = b"%sIdempotency-Key: %s\r\n" % (self._lines, idempotency_key.encode())
            received = _received(await self._connections.post(lines, content))
            if received is not None:
                return received
        response = await self.stream(content, idempotency_key, stream=False)
        return Received(response.content, response.headers.get("content-type", ""), _raw(response))

    async def stream(self, content: bytes, idempotency_key: str, *, stream: bool = True) -> Any:
        """The SDK's response, not yet read. Raises StatusError and the SDK's errors."""

        client = self.client
        if self._first is None:
            return await self._make(content, idempotency_key, stream=stream)
        request = self._request(content, idempotency_key)
        try:
            response = await client._client.send(request, stream=stream)
            if response.is_success:
                return response
            await response.aread()
        except Exception as error:  # as the SDK does: whatever happens on the way is a lost connection
            raise LostError(str(error)) from error
        raise StatusError(response.status_code, response.reason_phrase, _raw(response), response.content)

    async def _make(self, content: bytes, idempotency_key: str, *, stream: bool) -> Any:
        import httpx2

        leads = self._first_made is None and self.headers is None and not self.signed
        if leads:
            self._first_made = asyncio.Event()
        try:
            return await self.client.post(
                self.path,
                content=content,
                cast_to=httpx2.Response,
                options={"headers": {"Idempotency-Key": idempotency_key}},
                stream=stream,
            )
        finally:
            if leads and self._first_made is not None:
                self._first_made.set()

    def _request(self, content: bytes, idempotency_key: str) -> Any:
        """The first request with another body."""
        import httpx2

        headers = self._first.headers.copy()
        headers["Idempotency-Key"] = idempotency_key
        del headers["Content-Length"]
        extensions = self._first.extensions
        return httpx2.Request("POST", self._first.url, headers=headers, content=content, extensions=extensions)

    async def _learn(self, request: Any) -> None:
        """Runs before each request of the SDK's client. The first one is never a redirected one."""
        if self._first is not None or request.method != "POST":
            return
        self._first = request
        transport = self.client._client._transport_for_url(request.url)
        if self._connections is None and getattr(transport, "proxy", True) is None:
            self._repeat(str(request.url), request.headers.multi_items())
        if self._first_made is not None:
            self._first_made.set()

    def _repeat(self, url: str, headers: list[tuple[str, str]]) -> None:
        """From now on requests go to this address with these headers."""
        kept = [f"{name}: {value}\r\n" for name, value in headers if name.lower() not in _NEW_EACH_TIME]
        self._connections, self._lines = Connections(url), "".join(kept).encode("latin-1")


def _received(answered: Answered) -> Received | None:
    """The reply; None for a redirect, because nothing was asked yet and the SDK's client knows where to follow it.
    Raises StatusError and LostError."""
    status, headers = answered.status, answered.headers
    if 300 <= status < 400:
        return None
    content = decoded(answered)
    if not 200 <= status < 300 or answered.header(WAF_HEADER.encode()):
        raise StatusError(status, answered.reason, headers, answered.content if content is None else content)
    if content is None:
        raise LostError(f"the reply is compressed as {answered.header(b'content-encoding')!r}, which was not asked for")
    return Received(content, answered.header(b"content-type"), headers)


def _raw(response: Any) -> RawHeaders:
    """The body of an SDK's response."""
    return tuple((name.lower(), value) for name, value in response.headers.raw)


_NEW_EACH_TIME = ("idempotency-key", "content-length", "host")
