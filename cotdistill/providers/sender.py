"""One body after another to one path of a server, as the SDK's client would send them, without what it does again each
time."""

import asyncio
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, NamedTuple

from cotdistill.providers.http import CONNECT_TIMEOUT_S


class Answered(NamedTuple):
    """A reply that came whole, under a status that says success."""

    content: bytes
    content_type: str
    headers: tuple[tuple[bytes, bytes], ...]


@dataclass
class Sender:
    """Posts JSON to one path as the SDK's client does.

    The first request goes through the SDK's low-level `post`. What it sends, address and headers with the key among
    them, is what it would send every time, so later requests repeat that with another body on the connections of the
    same transport: making a request anew, and objects for its answer's headers, costs more CPU than all the rest.
    Whatever is not an answer, such as an error or a redirect, is handed to the SDK's own client or its errors. Behind a
    proxy, and for streams, each request goes through that client.
    """

    sdk: ModuleType
    client: Any
    path: str
    signed: bool = False
    """Each request is signed, or carries a token that is soon renewed: it goes through the SDK every time."""
    _first: Any = field(default=None, init=False, repr=False)
    _first_made: asyncio.Event | None = field(default=None, init=False, repr=False)
    """Set once the SDK has made the first request, or failed to: those that come meanwhile wait for it."""
    _url: Any = field(default=None, init=False, repr=False)
    _session: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.signed:
            self.client._client.event_hooks["request"].append(self._learn)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        await self.client.close()

    async def post(self, content: bytes, idempotency_key: str) -> Answered:
        """Raises the SDK's errors."""
        if self._first_made is not None and not self._first_made.is_set():
            await self._first_made.wait()
        if self._session is not None:
            answered = await self._repeat(content, idempotency_key)
            if answered is not None:
                return answered
        response = await self.stream(content, idempotency_key, stream=False)
        return Answered(response.content, response.headers.get("content-type", ""), tuple(response.headers.raw))

    async def stream(self, content: bytes, idempotency_key: str, *, stream: bool = True) -> Any:
        """The SDK's response, still to be read. Raises the SDK's errors."""
        import httpx2

        if self._first is None:
            return await self._make(content, idempotency_key, stream=stream)
        request = self._request(content, idempotency_key)
        try:
            response = await self.client._client.send(request, stream=stream)
            if response.is_success:
                return response
            await response.aread()
        except httpx2.TimeoutException as error:
            raise self.sdk.APITimeoutError(request=request) from error
        except Exception as error:  # as the SDK does: whatever happens on the way is a lost connection
            raise self.sdk.APIConnectionError(request=request) from error
        raise self._refused(response)

    async def _make(self, content: bytes, idempotency_key: str, *, stream: bool) -> Any:
        import httpx2

        leads = self._first_made is None and not self.signed
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

    async def _repeat(self, content: bytes, idempotency_key: str) -> Answered | None:
        """None for a redirect: nothing was asked yet, and the SDK's client knows where to follow it to."""
        import httpx2

        try:
            async with self._session.post(
                self._url, data=content, headers={"Idempotency-Key": idempotency_key}, allow_redirects=False
            ) as response:
                raw, headers, status = await response.read(), response.headers, response.status
                if 200 <= status < 300 and "Content-Encoding" not in headers:
                    return Answered(raw, headers.get("Content-Type", ""), response.raw_headers)
                if 300 <= status < 400:
                    return None
                whole = httpx2.Response(
                    status,
                    headers=response.raw_headers,
                    content=raw,
                    request=self._request(content, idempotency_key),
                    extensions={"reason_phrase": (response.reason or "").encode("ascii", "replace")},
                )
        except TimeoutError as error:
            raise self.sdk.APITimeoutError(request=self._request(content, idempotency_key)) from error
        except Exception as error:  # as above
            raise self.sdk.APIConnectionError(request=self._request(content, idempotency_key)) from error
        if whole.is_success:
            return Answered(whole.content, whole.headers.get("content-type", ""), response.raw_headers)
        raise self._refused(whole)

    def _refused(self, response: Any) -> Exception:
        refused: Exception = self.sdk.APIStatusError(response.reason_phrase, response=response, body=_body(response))
        return refused

    def _request(self, content: bytes, idempotency_key: str) -> Any:
        """The first one with another body."""
        import httpx2

        headers = self._first.headers.copy()
        headers["Idempotency-Key"] = idempotency_key
        del headers["Content-Length"]
        extensions = self._first.extensions
        return httpx2.Request("POST", self._first.url, headers=headers, content=content, extensions=extensions)

    async def _learn(self, request: Any) -> None:
        """Runs before each request of the SDK's client; the first one is never a redirected one."""
        if self._first is not None or request.method != "POST":
            return
        self._first = request
        self._prepare(request)
        if self._first_made is not None:
            self._first_made.set()

    def _prepare(self, request: Any) -> None:
        """Sends what the first request sends, but for body and key, on the transport's own connections."""
        import aiohttp
        import yarl

        http = self.client._client
        transport = http._transport_for_url(request.url)
        if getattr(transport, "proxy", True) is not None:
            return
        if not isinstance(transport.client, aiohttp.ClientSession):
            transport.client = transport.get_client()
        self._url = yarl.URL(str(request.url))
        skipped = ("idempotency-key", "content-length", "host")
        self._session = aiohttp.ClientSession(
            connector=transport.client.connector,
            connector_owner=False,
            headers=[(name, value) for name, value in request.headers.multi_items() if name not in skipped],
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT_S),  # the whole is timed by who asks
        )


def _body(response: Any) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text
