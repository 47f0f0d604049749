"""The embedded, simulated teacher: its HTTP server on a free loopback port for one run, asked through the
OpenAI SDK like any other."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import msgspec

from cotdistill.config.embedded import SCRIPTED
from cotdistill.mock.sources import SIMULATED, Replay, question_of
from cotdistill.providers.logprobs import TokenLogprobs
from cotdistill.providers.types import MOST_IN_FLIGHT, Failure, Reply, Request
from cotdistill.reasoning.marks import Tags
from cotdistill.teachers.openai import Teacher as OpenAITeacher


@dataclass
class Teacher:
    """The embedded simulated teacher, for rehearsals: mock:digit-chains, or mock:FILE to replay recorded answers."""

    model: str
    base_url: str = "mock"
    concurrency: int = MOST_IN_FLIGHT
    timeout_s: float = 600.0
    think_tags: Tags = ()
    columns: tuple[str | None, str | None] = (None, None)
    """Of question and reference in a recording, where the prompts have columns of these names."""
    provider: str = field(default="mock", init=False)
    _wire: OpenAITeacher = field(init=False, repr=False)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack, init=False, repr=False)

    def __post_init__(self) -> None:
        self._wire = OpenAITeacher(self.model, self.base_url, self.concurrency, self.timeout_s, self.think_tags)

    async def __aenter__(self) -> Self:
        from cotdistill.mock.server import running
        from cotdistill.mock.sources import open_source
        from cotdistill.mock.teacher import ServerConfig

        config = ServerConfig(source=self._replay or open_source(self.model))
        # The port differs from run to run, so it stays out of request keys and records.
        self._wire.base_url = await self._stack.enter_async_context(running(config)) + "/v1"
        await self._stack.enter_async_context(self._wire)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def body(self, request: Request) -> dict[str, Any]:
        """A recording is known by what it answers to this question: edited there, it gives new answers; with a line
        more, the old ones are what they were."""
        body = self._wire.body(request)
        if self._replay is None or not request.messages:
            return body
        return {**body, "recorded": self._replay.fingerprint(question_of(body["messages"]))}

    async def ask(self, request: Request, idempotency_key: str) -> Reply:
        reply = await self._wire.ask(request, idempotency_key)
        return msgspec.structs.replace(self.read(reply.raw), limits=reply.limits)

    def read(self, raw: bytes) -> Reply:
        """Where it had no answer, its saying so is none: the answer did not end as one."""
        reply = self._wire.read(raw)
        if reply.text.startswith(SIMULATED):
            return msgspec.structs.replace(reply, reasoning_kind="none", stop_reason="other", stop_detail=reply.text)
        return reply

    def why_no_logprobs(self, request: Request) -> str:
        return "" if self.model == SCRIPTED else "a recording says nothing of them"

    def token_logprobs(self, raw: bytes) -> TokenLogprobs | None:
        return self._wire.token_logprobs(raw)

    @cached_property
    def _replay(self) -> Replay | None:
        is_recording = self.model != SCRIPTED and Path(self.model).is_file()
        return Replay.load(Path(self.model), self.columns) if is_recording else None

    def classify(self, error: Exception) -> Failure:
        return self._wire.classify(error)
