"""What every teacher behind an official SDK shares: open the client, send a body once, read the reply.

A teacher's file says where it differs: the SDK, the server, the variable with its key, the body, the reply.
"""

import importlib
from dataclasses import dataclass, field, replace
from types import ModuleType, TracebackType
from typing import Any, ClassVar, Literal, Self

import msgspec

from cotdistill.masking import masked_bytes
from cotdistill.providers import errors
from cotdistill.providers.http import Sender, open_client
from cotdistill.providers.keys import api_key
from cotdistill.providers.lenient import excerpt
from cotdistill.providers.rate_limits import rate_limits
from cotdistill.providers.types import MOST_IN_FLIGHT, BadReplyError, Failure, Reply, Request
from cotdistill.reasoning.marks import Tags


@dataclass
class SdkTeacher:
    """A teacher asked through the OpenAI or the Anthropic SDK."""

    model: str
    base_url: str = ""
    concurrency: int = MOST_IN_FLIGHT
    timeout_s: float = 600.0
    think_tags: Tags = field(default=(), repr=False)
    """A person's own marks of a trace inside the text: how replies are read, also stored ones."""
    _sender: Sender = field(init=False, repr=False)

    provider: ClassVar[str]
    """The name before the colon in --teacher; it stands in records."""
    sdk: ClassVar[Literal["openai", "anthropic"]] = "openai"
    key: ClassVar[str]
    """The environment variable with the API key."""
    path: ClassVar[str]
    """Where a request is posted, below `base_url`."""

    async def __aenter__(self) -> Self:
        sdk = self._sdk()
        client = open_client(
            sdk,
            key=api_key(self.key, self.provider, self.base_url),
            base_url=self.base_url,
            concurrency=self.concurrency,
            timeout_s=self.timeout_s,
        )
        self._sender = Sender(sdk, client, self.path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._sender.client.close()

    def body(self, request: Request) -> dict[str, Any]:
        raise NotImplementedError

    def extract(self, raw: bytes) -> Reply:
        """The reply in the provider's JSON. Raises BadReplyError where it holds none."""
        raise NotImplementedError

    def read(self, raw: bytes) -> Reply:
        """Extract, and raise nothing but BadReplyError: one reply of a shape that was never seen must not end a run
        that has paid for thousands."""
        try:
            return self.extract(raw)
        except BadReplyError:
            raise
        except Exception as error:
            found = f"{type(error).__name__}: {errors.clean(str(error))}"
            raise BadReplyError(f"the reply cannot be read ({found}): {excerpt(raw)}", final=True) from error

    async def ask(self, request: Request, idempotency_key: str) -> Reply:
        body = self.body(request)
        stream = bool(body.get("stream"))
        response = await self._sender.post(msgspec.json.encode(body), idempotency_key, stream=stream)
        raw = masked_bytes(await self.collect(response) if stream else response.content)
        return replace(self.read(raw), limits=rate_limits(response.headers.raw))

    async def collect(self, response: Any) -> bytes:
        """A streamed response in the JSON that the same answer has unstreamed, for teachers that stream."""
        raise NotImplementedError

    def classify(self, error: Exception) -> Failure:
        return errors.classify(self._sdk(), error)

    def _sdk(self) -> ModuleType:
        return importlib.import_module(self.sdk)
