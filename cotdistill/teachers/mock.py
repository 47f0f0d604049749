"""The embedded, simulated teacher: its HTTP server on a free loopback port for one run, asked through the
OpenAI SDK like any other."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from cotdistill.providers.types import MOST_IN_FLIGHT, Failure, Reply, Request
from cotdistill.teachers.openai import Teacher as OpenAITeacher


@dataclass
class Teacher:
    """The embedded simulated teacher, for rehearsals: mock:digit-chains, or mock:FILE to replay recorded answers."""

    model: str
    base_url: str = "mock"
    concurrency: int = MOST_IN_FLIGHT
    timeout_s: float = 600.0
    provider: str = field(default="mock", init=False)
    _wire: OpenAITeacher = field(init=False, repr=False)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack, init=False, repr=False)

    def __post_init__(self) -> None:
        self._wire = OpenAITeacher(self.model, self.base_url, self.concurrency, self.timeout_s)

    async def __aenter__(self) -> Self:
        from cotdistill.mock.server import running
        from cotdistill.mock.sources import open_source
        from cotdistill.mock.teacher import ServerConfig

        config = ServerConfig(source=open_source(self.model))
        # The port differs from run to run, so it stays out of request keys and records.
        self._wire.base_url = await self._stack.enter_async_context(running(config)) + "/v1"
        await self._stack.enter_async_context(self._wire)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def body(self, request: Request) -> dict[str, Any]:
        return self._wire.body(request)

    async def ask(self, request: Request, idempotency_key: str) -> Reply:
        return await self._wire.ask(request, idempotency_key)

    def read(self, raw: bytes) -> Reply:
        return self._wire.read(raw)

    def classify(self, error: Exception) -> Failure:
        return self._wire.classify(error)
