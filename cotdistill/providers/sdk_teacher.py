"""What every teacher behind an official SDK shares: opening the client, sending a body once, reading the reply.

A teacher's file says where it differs: the SDK, the server, the variable with its key, the body, the reply.
"""

import importlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ClassVar, Literal, Self

import msgspec

from cotdistill import __version__
from cotdistill.masking import masked_bytes
from cotdistill.providers import errors
from cotdistill.providers.event_stream import is_stream, without_comments
from cotdistill.providers.http import check_proxies, goes_straight, has_own_headers, open_client
from cotdistill.providers.keys import api_key
from cotdistill.providers.lenient import excerpt, in_utf8
from cotdistill.providers.rate_limits import rate_limits
from cotdistill.providers.sender import Sender
from cotdistill.providers.types import MOST_IN_FLIGHT, BadReplyError, Failure, Reply, Request
from cotdistill.reasoning.marks import Tags

COMMON_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Content-Type": "application/json",
    "User-Agent": f"cotdistill/{__version__}",
}

MOST_ADAPTED = 2
"""How many refusals of its form one request may learn from."""


@dataclass
class SdkTeacher:
    """A teacher asked through the OpenAI or the Anthropic SDK."""

    model: str
    base_url: str = ""
    concurrency: int = MOST_IN_FLIGHT
    timeout_s: float = 600.0
    think_tags: Tags = field(default=(), repr=False)
    """The user's own marks of a trace inside the text, by which replies are read, stored ones included."""
    _sender: Sender = field(init=False, repr=False)

    provider: ClassVar[str]
    """The name before the colon in --teacher; records carry it."""
    sdk: ClassVar[Literal["openai", "anthropic"]] = "openai"
    key: ClassVar[str]
    """The environment variable with the API key."""
    path: str = field(default="", init=False, repr=False)
    """The path below `base_url` that requests are posted to."""
    signed: ClassVar[bool] = False
    """Whether each request must go through the SDK's client, which signs it."""

    async def __aenter__(self) -> Self:
        check_proxies()
        self._sender = Sender(self._client, self.base_url, self.path, self.headers(), self.signed)
        return self

    def _client(self) -> Any:
        return open_client(
            self._sdk(),
            base_url=self.base_url,
            concurrency=self.concurrency,
            timeout_s=self.timeout_s,
            make=self.client,
        )

    async def __aexit__(self, *_: object) -> None:
        await self._sender.close()

    def api_key(self) -> str:
        """The API key. Raises AccountError where there is none."""
        return api_key(self.key, self.provider, self.base_url)

    def headers(self) -> dict[str, str] | None:
        """A request's headers: the key, and what the wire format wants. None where only the SDK knows them: behind a
        proxy, and where its own variables add headers. Raises AccountError where there is no key."""
        if self.signed or not goes_straight(self.base_url) or has_own_headers(self.base_url):
            return None
        return {"Authorization": f"Bearer {self.api_key()}", **COMMON_HEADERS}

    def client(self, **common: Any) -> Any:
        """The SDK's async client for this server; `common` are the settings that all our clients have."""
        sdk = self._sdk()
        kind = sdk.AsyncOpenAI if self.sdk == "openai" else sdk.AsyncAnthropic
        return kind(api_key=self.api_key(), base_url=self.base_url, **common)

    def body(self, request: Request) -> dict[str, Any]:
        """The request as JSON of this wire format. Body and base URL make the request key."""
        raise NotImplementedError

    def wire(self, body: dict[str, Any]) -> dict[str, Any]:
        """What is sent for a body, where a server wants something in another place. Nothing that decides the answer may
        change."""
        return body

    def adapted(self, error: Any, wire: dict[str, Any]) -> bool:
        """Whether the error is a refusal of the request's form, and the next `wire` uses the form that the server
        wants."""
        return False

    def extract(self, raw: bytes) -> Reply:
        """The reply in the provider's JSON. Raises BadReplyError where there is none."""
        raise NotImplementedError

    def read(self, raw: bytes) -> Reply:
        """Extract a stored reply, and raise nothing but BadReplyError: one reply of an unknown shape must not end a run
        that has paid for thousands."""
        try:
            return self.extract(raw)
        except BadReplyError:
            raise
        except Exception as error:
            found = f"{type(error).__name__}: {errors.clean(str(error))}"
            raise BadReplyError(f"the reply cannot be read ({found}): {excerpt(raw)}", final=True) from error

    async def ask(self, request: Request, idempotency_key: str) -> Reply:
        return await self.send(self.body(request), idempotency_key)

    async def send(self, body: dict[str, Any], idempotency_key: str) -> Reply:
        """Send a request in this wire format."""
        for number in range(MOST_ADAPTED):
            wire = self.wire(body)
            try:
                return await self._ask(wire, f"{idempotency_key}-{number}" if number else idempotency_key)
            except Exception as error:
                if not hasattr(error, "status_code") or not self.adapted(error, wire):
                    raise
        return await self._ask(self.wire(body), f"{idempotency_key}-{MOST_ADAPTED}")

    async def _ask(self, wire: dict[str, Any], idempotency_key: str) -> Reply:
        content = msgspec.json.encode(wire)
        if wire.get("stream"):
            response = await self._sender.stream(content, idempotency_key)
            raw, headers = await self._streamed(response), response.headers.raw
        else:
            received = await self._sender.post(content, idempotency_key)
            raw, headers = without_comments(in_utf8(received.content, received.content_type)), received.headers
            if is_stream(raw):
                raw = await self.collect(_whole(raw))
        reply, limits = self.read(masked_bytes(raw)), rate_limits(headers)
        return reply if limits is None else msgspec.structs.replace(reply, limits=limits)

    async def collect(self, chunks: AsyncIterator[bytes]) -> bytes:
        """The parts of a streamed answer as the JSON that the same answer has without streaming."""
        raise NotImplementedError

    async def _streamed(self, response: Any) -> bytes:
        """The whole answer, whether the server streams or ignores `stream`."""
        import httpx2

        try:
            chunks: AsyncIterator[bytes] = response.aiter_bytes()
            begun = b""
            while not begun and (chunk := await anext(chunks, b"")):
                begun = chunk.lstrip()  # some servers send blank lines while one waits
            if is_stream(begun):
                return await self.collect(_whole(begun, chunks))
            return b"".join([part async for part in _whole(begun, chunks)])
        except httpx2.RequestError as error:  # while reading, the SDK does not wrap it
            words = errors.clean(str(error)) or type(error).__name__
            raise BadReplyError(f"the stream broke off: {words}") from None
        finally:
            await response.aclose()

    def classify(self, error: Exception) -> Failure:
        return errors.classify(self.sdk, error)

    def _sdk(self) -> ModuleType:
        return importlib.import_module(self.sdk)


async def _whole(begun: bytes, rest: AsyncIterator[bytes] | None = None) -> AsyncIterator[bytes]:
    yield begun
    if rest is not None:
        async for chunk in rest:
            yield chunk
