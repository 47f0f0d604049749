"""The way to a server: the SDKs' own HTTP client, set up for many slow answers at once."""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from cotdistill.errors import UsageError
from cotdistill.masking import add_secret
from cotdistill.providers.compression import LARGEST_REPLY, TOO_LARGE
from cotdistill.providers.connections import CONNECT_TIMEOUT_S, kept_alive
from cotdistill.providers.types import BadReplyError

DOWNLOAD_TIMEOUT_S = 600.0

A_FILE = {"Accept": "application/binary"}
"""The header of a request for a file, which is read line by line and may be of any size."""

PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")

SECRET_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "x-amz-security-token")

LOOPBACK = ("localhost", "127.0.0.1", "::1")

OWN_HOSTS = ("api.openai.com", "api.anthropic.com")
OWN_HEADERS = ("OPENAI_CUSTOM_HEADERS", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "ANTHROPIC_CUSTOM_HEADERS")
"""Variables out of which the SDKs make headers for their provider."""


class ElsewhereError(Exception):
    """The server redirects to another one, which must get neither the key nor the prompts."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        super().__init__(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")
        self.url = url


def open_client(
    sdk: ModuleType,
    *,
    base_url: str,
    concurrency: int,
    timeout_s: float,
    key: str = "",
    make: Callable[..., Any] | None = None,
) -> Any:
    """The async client of the OpenAI or the Anthropic SDK, without retries of its own. The base URL is always
    explicit: a stray OPENAI_BASE_URL or ANTHROPIC_BASE_URL must not redirect paid traffic. `make` makes a client of
    another kind, out of `max_retries` and `http_client`."""
    if make is None:
        kind = sdk.AsyncOpenAI if sdk.__name__ == "openai" else sdk.AsyncAnthropic
        make = partial(kind, api_key=key, base_url=base_url)
    http = _http_client(sdk, base_url=base_url, concurrency=concurrency, timeout_s=timeout_s)
    return without_foreign_headers(make(max_retries=0, http_client=http), base_url)


def without_foreign_headers(client: Any, base_url: str) -> Any:
    """The client without what its SDK takes from the environment for the provider alone (`OWN_HEADERS`), unless the
    server is the provider's own. They may hold secrets, and the SDKs would send them to any server."""
    if not _is_the_provider_s(base_url):
        for name in ("organization", "project"):
            if name in vars(client):
                setattr(client, name, None)
        client._custom_headers = {}
    return client


def _http_client(sdk: ModuleType, *, base_url: str, concurrency: int, timeout_s: float) -> Any:
    """The SDK's client on its aiohttp transport, with a pool as large as the concurrency: in a smaller one,
    requests would wait unseen; httpx2's own costs twice the CPU at 256 connections."""
    import httpx2

    check_proxies()
    here = urlsplit(base_url).hostname in LOOPBACK
    client = sdk.DefaultAioHttpClient(
        trust_env=not here,  # no proxy leads to a server of this machine
        limits=httpx2.Limits(max_connections=concurrency + 8, max_keepalive_connections=concurrency + 8),
        timeout=httpx2.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
        event_hooks={"request": [_staying_at(base_url)], "response": [_end_early]},
    )
    # The transport, and those that HTTPS_PROXY adds; `client` is the parameter they have for a session of one's own.
    for transport in (client._transport, *client._mounts.values()):
        if transport is not None:
            transport.client = partial(_session, transport)
    return client


def check_proxies() -> None:
    """Raises UsageError for a proxy that cannot be one; its URL may hold a password, so only its variable is named."""
    for name in (*PROXIES, *map(str.lower, PROXIES)):
        url = os.environ.get(name, "")
        if not url:
            continue
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            good = bool(parts.hostname) and parts.scheme in ("http", "https", "socks5", "socks5h") and parts.port != 0
        except ValueError:
            good = False
        if not good:
            raise UsageError(f"{name}: not the URL of a proxy; expected such as http://user:password@proxy:3128")


def goes_straight(base_url: str) -> bool:
    """Whether no proxy stands before this server; which one it would be, the SDK's client knows."""
    if urlsplit(base_url).hostname in LOOPBACK:
        return True
    from urllib.request import getproxies

    return not any(getproxies().get(scheme) for scheme in ("http", "https", "all"))


def has_own_headers(base_url: str) -> bool:
    """Whether the SDK adds headers from the environment, which it does for the provider's own server alone."""
    return _is_the_provider_s(base_url) and any(os.environ.get(name) for name in OWN_HEADERS)


def _is_the_provider_s(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    return any(host == own or host.endswith(f".{own}") for own in OWN_HOSTS)


def _session(transport: Any) -> Any:
    """What the transport makes itself, plus TCP keep-alive: a reasoning model may be silent for many minutes, and
    routers forget a silent connection sooner."""
    import aiohttp

    connector = aiohttp.TCPConnector(
        limit=transport.limits.max_connections,
        keepalive_timeout=transport.limits.keepalive_expiry,
        ssl=transport.ssl_context,
        socket_factory=kept_alive,
    )
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


def _staying_at(base_url: str) -> Callable[[Any], Awaitable[None]]:
    """Runs before each request, redirected ones among them: none leaves for another server, and what secrets the SDK
    sends, such as tokens that it fetched itself, are known to be secrets before an answer may echo them."""
    import httpx2

    home = httpx2.URL(base_url).origin
    known: set[str] = set()

    async def check(request: Any) -> None:
        if request.url.origin != home:
            raise ElsewhereError(str(request.url))
        for name in SECRET_HEADERS:
            value = request.headers.get(name, "")
            if value and value not in known and not value.startswith("AWS4-"):  # a signature, new each time
                known.add(value)
                add_secret(value.removeprefix("Bearer "))

    return check


async def _end_early(response: Any) -> None:
    """Runs before a response is read: one that does not end, or unpacks to more than memory holds, is given up."""
    import httpx2

    if response.request.headers.get("Accept") == A_FILE["Accept"]:
        return
    read = response.aiter_bytes

    async def aiter_bytes(chunk_size: int | None = None) -> AsyncGenerator[bytes, None]:
        size = 0
        async with aclosing(read(chunk_size)) as parts:
            async for part in parts:
                size += len(part)
                if size > LARGEST_REPLY:
                    raise httpx2.ReadError(TOO_LARGE)
                yield part

    response.aiter_bytes = aiter_bytes  # all other ways to read it go through this one


@asynccontextmanager
async def download(open_response: Callable[[], Awaitable[Any]]) -> AsyncIterator[AsyncIterator[bytes]]:
    """The chunks of a file that the server hands out, or that it redirects to: results may lie in a store of files
    with a signed URL. What is fetched from there is fetched without key or cookie, as any browser would."""
    import httpx2

    try:
        response = await open_response()
    except Exception as error:
        url = _elsewhere(error)
        if url is None:
            raise
        timeout = httpx2.Timeout(DOWNLOAD_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        async with (
            httpx2.AsyncClient(timeout=timeout) as plain,
            plain.stream("GET", url, follow_redirects=True) as response,
        ):
            if not response.is_success:
                host = urlsplit(url).hostname
                raise BadReplyError(f"the results lie at {host}, which answers {response.status_code}") from None
            yield response.aiter_bytes()
        return
    try:
        yield response.aiter_bytes()
    finally:
        await response.aclose()


def _elsewhere(error: BaseException | None) -> str | None:
    while error is not None and not isinstance(error, ElsewhereError):
        error = error.__cause__
    return error.url if error else None
