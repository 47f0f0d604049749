"""Teachers whose servers are simulated, for runs in virtual time: everything but the network is real."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from cotdistill.dispatch.asking import Asked, Job, Limits
from cotdistill.dispatch.lookup import Answer
from cotdistill.dispatch.session import Session
from cotdistill.dispatch.stored import StoredTeacher, Terms
from cotdistill.dispatch.walk import Got
from cotdistill.pricing import Prices
from cotdistill.providers.types import Failure, Quota, RateLimits, Reply, Request
from cotdistill.records import Message, Usage
from tests import virtual_time
from tests.conftest import make_prompt

TOKENS = 200


class RefusedError(Exception):
    pass


@dataclass
class Server:
    """A teacher whose server allows `rate` units a second on one axis and `burst` at once, or refuses by lot. Output
    is taken when the answer goes out, everything else when the request comes in."""

    rate: float = 20
    burst: float = 20
    axis: str = "requests"
    latency_s: float = 0.05
    headers: bool = False
    refuses: float = 0.0
    retry_after_s: float | None = None
    window_s: float | None = None
    at_once: int = 10**9
    push_back: Any = "quota"
    concurrency: int = 256
    provider: str = "simulated"
    model: str = "m"
    base_url: str = "simulated"
    accepted: int = 0
    refusals: int = 0
    seconds: float = 0.0
    most_in_flight: int = 0
    _flying: int = 0
    _at: float = 0.0
    _lots: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self) -> None:
        self._level = self.burst

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    def body(self, request: Request) -> dict[str, Any]:
        return {}

    def read(self, raw: bytes) -> Reply:
        raise NotImplementedError

    async def ask(self, request: Request, idempotency_key: str) -> Reply:
        await asyncio.sleep(0.0025)
        size = len(request.messages[0].content) // 4
        takes = {"requests": 1, "input_tokens": size, "output_tokens": 0}.get(self.axis, 0)
        self._refill()
        if not self._admits(takes):
            self.refusals += 1
            limits = self._limits()
            await asyncio.sleep(0.0025)
            raise RefusedError(limits)
        self._level -= takes
        self._flying += 1
        self.most_in_flight = max(self.most_in_flight, self._flying)
        await asyncio.sleep(self.latency_s)
        self._flying -= 1
        self._refill()
        self._level -= TOKENS if self.axis == "output_tokens" else 0
        self.accepted, self.seconds = self.accepted + 1, virtual_time.now()
        usage = Usage(input_tokens=size, output_tokens=TOKENS)
        return Reply(b"", "4", None, "none", "stop", None, usage, limits=self._limits())

    def classify(self, error: Exception) -> Failure:
        if not isinstance(error, RefusedError):
            raise error
        return Failure("retry", "429", self.retry_after_s, self.push_back, error.args[0])

    def _admits(self, takes: float) -> bool:
        free = self._flying < self.at_once and self._lots.random() >= self.refuses
        return free and (self.axis == "none" or self._level >= max(takes, 1))

    def _refill(self) -> None:
        now = virtual_time.now()
        if self.window_s is None:
            self._level = min(self.burst, self._level + (now - self._at) * self.rate)
            self._at = now
        elif now - self._at >= self.window_s:
            self._level, self._at = self.burst, now

    def _limits(self) -> RateLimits | None:
        if not self.headers:
            return None
        quota = Quota(round(self.rate * 60), max(0, int(self._level)), (self.burst - self._level) / self.rate)
        return RateLimits(**{self.axis: quota})


async def ask_all(server: Any, jobs: Iterator[Job], got: Got, limits: Limits) -> Asked:
    async with StoredTeacher(Session(None), server, Terms(Prices("mock", "m"), limits)) as stored:
        return await stored.ask_all(jobs, got)


def ask(server: Server, prompts: int = 300, seed: int = 0, **limits: Any) -> Server:
    """Every prompt must be answered."""
    lots = random.Random(2)

    def jobs() -> Iterator[Job]:
        for number in range(prompts):
            content = "x" * 4 * lots.randint(TOKENS // 2, TOKENS * 3 // 2)
            request = Request((Message(role="user", content=content),), 8192)
            yield Job(make_prompt(str(number)), 0, str(number), "", request)

    async def got(job: Job, answer: Answer, bought: bool) -> None: ...

    asked = virtual_time.run(ask_all(server, jobs(), got, Limits(server.concurrency, **limits)), seed)
    assert asked.answered == prompts
    return server


class ResetError(Exception):
    pass


@dataclass
class SlowServer(Server):
    """Computes `slots` answers at a time, `service_s` each, goes on when its client has left, and resets what is above
    `most_connections`."""

    slots: int = 2
    service_s: float = 0.5
    most_connections: int = 10**9
    computed: int = 0
    resets: int = 0

    async def ask(self, request: Request, idempotency_key: str) -> Reply:
        if not hasattr(self, "_free"):
            self._free = asyncio.Semaphore(self.slots)
        self._flying += 1
        try:
            if self._flying > self.most_connections:
                self.resets += 1
                raise ResetError
            await asyncio.shield(asyncio.ensure_future(self._compute()))
        finally:
            self._flying -= 1
        self.seconds = virtual_time.now()
        return Reply(b"", "4", None, "none", "stop", None, Usage(input_tokens=5, output_tokens=5))

    async def _compute(self) -> None:
        async with self._free:
            await asyncio.sleep(self.service_s)
            self.computed += 1

    def classify(self, error: Exception) -> Failure:
        if isinstance(error, ResetError):
            return Failure("retry", "connection lost", push_back="lost")
        return super().classify(error)


def ask_slow(server: SlowServer, prompts: int, timeout_s: float, seed: int = 0) -> SlowServer:
    """Short prompts, all of them answered."""

    def jobs() -> Iterator[Job]:
        for number in range(prompts):
            request = Request((Message(role="user", content="x"),), 10)
            yield Job(make_prompt(str(number)), 0, str(number), "", request)

    async def got(job: Job, answer: Answer, bought: bool) -> None: ...

    async def run() -> Asked:
        terms = Terms(Prices("mock", "m"), Limits(server.concurrency), timeout_s=timeout_s)
        async with StoredTeacher(Session(None), server, terms) as stored:
            return await stored.ask_all(jobs(), got)

    assert virtual_time.run(run(), seed).answered == prompts
    return server
