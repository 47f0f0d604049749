"""Connections to one server, kept open between requests.

The SDKs' clients take 2 ms of CPU a request, aiohttp's client 0.15 ms, this 0.04 ms: with hundreds of answers a second
that decides how many one process can hold. Names are looked up and connected to by aiohappyeyeballs, as aiohttp does.
"""

import asyncio
import os
import socket
import ssl
from collections import deque
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlsplit

from cotdistill.providers.http1 import Answered, Connection

CONNECT_TIMEOUT_S = 10.0

KEEPALIVE_S = 60
"""Of TCP: a reasoning model may be silent for many minutes, and routers forget a silent connection sooner."""

IDLE_S = 4.0
"""A connection that was not used for longer is not used again: uvicorn, and vLLM with it, closes after five."""

LOOKED_UP_S = 30.0
"""How long the address of a name is good."""

SECOND_ADDRESS_S = 0.25
"""After so long without a connection the next address is tried beside it (RFC 8305)."""


class UnreachableError(Exception):
    """No connection could be made."""


@dataclass
class Connections:
    """`url` is where every request is posted. Connections are opened as they are needed, and kept."""

    url: str
    tls: ssl.SSLContext | None = None
    _idle: deque["Connection"] = field(default_factory=deque, init=False, repr=False)
    _looking_up: "asyncio.Task[list[Any]] | None" = field(default=None, init=False, repr=False)
    _looked_up: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        usual = parts.port in (None, 443 if parts.scheme == "https" else 80)
        name = f"[{self.host}]" if ":" in self.host else self.host.encode("idna").decode()
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=-._~") + (f"?{parts.query}" if parts.query else "")
        self.secure = parts.scheme == "https"
        self.start = f"POST {path} HTTP/1.1\r\nHost: {name if usual else f'{name}:{self.port}'}\r\n".encode()

    async def post(self, headers: bytes, content: bytes) -> Answered:
        """`headers` are whole lines. Raises LostError and UnreachableError; cancelled, it gives the connection up."""
        connection = self._kept() or await self._opened()
        try:
            answered = await connection.ask(
                b"%s%sContent-Length: %d\r\n\r\n%s" % (self.start, headers, len(content), content)
            )
        except BaseException:
            connection.abort()
            raise
        if connection.open:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        return answered

    def close(self) -> None:
        while self._idle:
            self._idle.pop().abort()

    def _kept(self) -> "Connection | None":
        """The one that was used last; those that were idle for long are closed."""
        oldest = asyncio.get_running_loop().time() - IDLE_S
        while self._idle and (self._idle[0].idle_since < oldest or not self._idle[0].open):
            self._idle.popleft().abort()
        while self._idle:
            if (newest := self._idle.pop()).open:
                return newest
        return None

    async def _opened(self) -> "Connection":
        import aiohappyeyeballs

        loop, opened = asyncio.get_running_loop(), None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                addresses = await self._addresses()
                opened = await aiohappyeyeballs.start_connection(
                    addresses, happy_eyeballs_delay=SECOND_ADDRESS_S, interleave=1, socket_factory=kept_alive
                )
                _, connection = await loop.create_connection(
                    Connection, sock=opened, ssl=self._context, server_hostname=self.host if self.secure else None
                )
        except BaseException as error:
            if opened is not None:
                opened.close()
            if isinstance(error, OSError):  # TimeoutError and ssl.SSLError among them
                raise UnreachableError(f"cannot connect to {self.host}:{self.port}: {_reason(error)}") from error
            raise
        return connection

    @cached_property
    def _context(self) -> ssl.SSLContext | None:
        if not self.secure or self.tls is not None:
            return self.tls
        import httpx2

        return httpx2.create_ssl_context()  # trusts whom the SDKs trust

    async def _addresses(self) -> list[Any]:
        """Looked up once for all who wait for it."""
        loop = asyncio.get_running_loop()
        task, now = self._looking_up, loop.time()
        if (
            task is None
            or now - self._looked_up > LOOKED_UP_S
            or (task.done() and (task.cancelled() or task.exception()))
        ):
            self._looked_up = now
            task = self._looking_up = asyncio.create_task(self._look_up(loop))
        return task.result() if task.done() else await asyncio.shield(task)

    async def _look_up(self, loop: asyncio.AbstractEventLoop) -> list[Any]:
        return await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)


def kept_alive(address: Any) -> socket.socket:
    family, kind, protocol, *_ = address
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE"  # the latter on macOS
    for option, value in ((idle, KEEPALIVE_S), ("TCP_KEEPINTVL", KEEPALIVE_S), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, option):
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return opened


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError) and not error.errno:
        return f"no connection within {CONNECT_TIMEOUT_S:g} s"
    number = error.errno or 0  # a failed look-up of a name has a negative one, with words of its own
    return os.strerror(number) if number > 0 and not isinstance(error, ssl.SSLError) else error.strerror or str(error)
