"""One connection of HTTP/1.1: a request goes out, its reply is read, then the next. httptools (llhttp, the parser of
Node.js) reads; nothing is made of a reply but what `Answered` holds."""

import asyncio
from asyncio.transports import Transport
from typing import NamedTuple, cast

import httptools

from cotdistill.providers.compression import LARGEST_REPLY, TOO_LARGE, BrokenCompressionError, unpacked

RawHeaders = tuple[tuple[bytes, bytes], ...]


class Answered(NamedTuple):
    """A reply that came whole, as it came; names of headers in lower case."""

    status: int
    reason: str
    headers: RawHeaders
    content: bytes

    def header(self, name: bytes) -> str:
        """The first of this name; empty where there is none."""
        for one, value in self.headers:
            if one == name:
                return value.decode("latin-1")
        return ""


class LostError(Exception):
    """The connection broke, or what came over it was no HTTP: the request may have been answered."""


class Connection(asyncio.Protocol):
    """One request at a time. The `on_…` methods are httptools' protocol."""

    def __init__(self) -> None:
        self.open = False
        self.idle_since = 0.0
        self._turn: asyncio.Future[Answered] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._begin()

    def ask(self, request: bytes) -> "asyncio.Future[Answered]":
        self._turn = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._turn

    def abort(self) -> None:
        self.open = False
        self._turn = None
        self._begin()  # what came of a reply that is given up: whoever holds the error holds this connection
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self.open = cast(Transport, transport), True

    def data_received(self, data: bytes) -> None:
        if self._turn is None:  # nothing was asked, so it is not the answer to anything
            self.abort()
            return
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(LostError("the server changed the protocol"))
        except httptools.HttpParserError as error:
            self._fail(LostError(f"the reply is no HTTP: {error}"))
        if self._size > LARGEST_REPLY:
            self._fail(LostError(TOO_LARGE))
        if not self.open:
            self._transport.close()

    def on_message_begin(self) -> None:
        if self._turn is None:  # behind the reply that was asked for: the next one would be taken for another
            self.open = False

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        if self._headers_whole and self._until_closed:
            self._complete()
        self._fail(LostError(str(error or "the server closed it")))

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._headers_whole = True
        self._until_closed = not any(name in (b"content-length", b"transfer-encoding") for name, _ in self._headers)

    def on_body(self, body: bytes) -> None:
        self._body += body  # in one piece: of a server that sends letter by letter each would be an object

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:  # a word in between, such as 103 Early Hints
            self._begin()
            return
        if not self._parser.should_keep_alive():
            self.open = False
        self._complete()

    def _begin(self) -> None:
        self._reason, self._body, self._size = b"", bytearray(), 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._headers_whole = self._until_closed = False

    def _complete(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None and not turn.done():
            status, reason = self._parser.get_status_code(), self._reason.decode("latin-1")
            turn.set_result(Answered(status, reason, tuple(self._headers), bytes(self._body)))
        self._begin()

    def _fail(self, error: LostError) -> None:
        turn, self._turn = self._turn, None
        if turn is not None and not turn.done():
            turn.set_exception(error)
        self.abort()


def decoded(answered: Answered) -> bytes | None:
    """The content without its compression; None for one that we do not know. Raises LostError for a broken one, and for
    one that is too large."""
    try:
        return unpacked(answered.content, answered.header(b"content-encoding"))
    except BrokenCompressionError as error:
        raise LostError(str(error)) from None
