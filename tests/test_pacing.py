"""The pace that is found, against simulated servers, in virtual time: everything but the network is real."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import pytest

from cotdistill.dispatch.asking import Asked, Job, Limits
from cotdistill.dispatch.lookup import Answer
from cotdistill.dispatch.session import Session
from cotdistill.dispatch.stored import Got, StoredTeacher, Terms
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

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

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


def ask(server: Server, prompts: int = 300, **limits: Any) -> Server:
    """Every prompt must be answered."""
    lots = random.Random(2)

    def jobs() -> Iterator[Job]:
        for number in range(prompts):
            content = "x" * 4 * lots.randint(TOKENS // 2, TOKENS * 3 // 2)
            request = Request((Message(role="user", content=content),), 8192)
            yield Job(make_prompt(str(number)), 0, str(number), request)

    async def got(job: Job, answer: Answer, bought: bool) -> None: ...

    assert virtual_time.run(ask_all(server, jobs(), got, Limits(server.concurrency, **limits))).answered == prompts
    return server


@pytest.mark.parametrize(
    "server",
    [
        Server(),
        Server(headers=True),
        Server(axis="input_tokens", rate=20 * TOKENS, burst=20 * TOKENS),
        Server(axis="input_tokens", rate=20 * TOKENS, burst=20 * TOKENS, headers=True),
        Server(axis="output_tokens", rate=20 * TOKENS, burst=20 * TOKENS),
        Server(axis="output_tokens", rate=20 * TOKENS, burst=20 * TOKENS, headers=True),
    ],
    ids=lambda server: server.axis + (" with headers" if server.headers else ""),
)
def test_a_limit_that_nobody_told_is_found_and_used_to_a_tenth(server: Server) -> None:
    ask(server)
    assert 14 * 0.95 <= server.seconds <= 14 * 1.1, "300 at 20 a second, 20 of them at once"
    assert server.refusals < (8 if server.headers else 30)


@pytest.mark.parametrize(("rate", "burst"), [(200.0, 200.0), (20.0, 1200.0), (1.0, 60.0)])
def test_so_is_a_fast_one_one_with_a_large_burst_and_a_slow_one(rate: float, burst: float) -> None:
    prompts = int(burst + 15 * rate)
    server = ask(Server(rate=rate, burst=burst), prompts)
    assert server.seconds <= 15 * 1.15
    assert server.refusals < 110


@pytest.mark.parametrize("retry_after_s", [None, 1.0])
@pytest.mark.parametrize(("burst", "ideal_s", "times"), [(20.0, 19.0, 1.1), (5.0, 19.75, 1.1), (1.0, 20.0, 1.25)])
def test_a_limit_is_found_whatever_its_burst_and_whether_or_not_it_asks_to_wait(
    burst: float, ideal_s: float, times: float, retry_after_s: float | None
) -> None:
    server = ask(Server(burst=burst, retry_after_s=retry_after_s), 400)
    assert server.seconds <= ideal_s * times
    assert server.refusals <= 8


@pytest.mark.parametrize("seed", range(3))
def test_refusals_by_lot_cost_hardly_more_than_their_repetition(seed: int) -> None:
    free = ask(Server(axis="none", latency_s=0.5), 1500)
    unlucky = ask(Server(axis="none", latency_s=0.5, refuses=0.2, _lots=random.Random(seed)), 1500)
    assert unlucky.seconds <= 1.5 * free.seconds * 1.25


def test_refusals_by_lot_that_ask_to_wait_hold_everyone_only_until_they_are_seen_through() -> None:
    server = ask(Server(axis="none", latency_s=0.5, refuses=0.2, retry_after_s=2.0), 1500)
    assert server.seconds < 60, "held each time it would be ten minutes"


def test_a_limit_for_a_whole_minute_loses_no_prompt() -> None:
    server = ask(Server(rate=0, burst=60, window_s=60.0), 200)
    assert server.seconds < 300
    assert server.refusals < 200


def test_an_overloaded_server_is_asked_for_less_at_once_and_soon_enough_for_more() -> None:
    server = ask(Server(axis="none", latency_s=1.0, at_once=20, push_back="capacity"), 600)
    assert server.seconds < 30 * 1.4
    assert server.refusals < 30


def test_what_a_person_allows_is_not_exceeded() -> None:
    server = ask(Server(axis="none"), 100, rpm=600)
    assert server.refusals == 0
    assert server.seconds >= (100 - 50) / 10, "600 a minute, five seconds' worth at once"
    assert server.seconds < 7


def test_answers_that_take_long_widen_the_window_by_each_round_of_them() -> None:
    server = ask(Server(axis="none", latency_s=60.0), 256)
    assert server.seconds < 6 * 60 + 10, "8, 16, 32, 64, 128 at once, and the rest"


def test_no_more_are_taken_from_the_stream_than_fly_and_wait_at_the_door() -> None:
    taken = 0

    def jobs() -> Iterator[Job]:
        nonlocal taken
        for number in range(2000):
            taken += 1
            yield Job(make_prompt(str(number)), 0, str(number), Request((Message(role="user", content="x" * 40),), 10))

    kept, ahead = 0, 0

    async def got(job: Job, answer: Answer, bought: bool) -> None:
        nonlocal kept, ahead
        kept += 1
        ahead = max(ahead, taken - kept)

    virtual_time.run(ask_all(Server(axis="none", concurrency=32), jobs(), got, Limits(32)))
    assert (kept, taken) == (2000, 2000)
    assert ahead <= 2 * 32, "memory does not grow with the prompts"


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


@pytest.mark.parametrize(
    ("server", "timeout_s", "ideal_s"),
    [
        (SlowServer(), 10.0, 50.0),
        (SlowServer(slots=1, service_s=2.4), 600.0, 480.0),
        (SlowServer(slots=4, service_s=5.0), 20.0, 250.0),
        (SlowServer(slots=100, most_connections=4), 10.0, 25.0),
    ],
    ids=["two slots", "one slot", "four slow slots", "four connections"],
)
def test_a_slow_server_is_found_out_and_computes_next_to_nothing_twice(
    server: SlowServer, timeout_s: float, ideal_s: float
) -> None:
    def jobs() -> Iterator[Job]:
        for number in range(200):
            yield Job(make_prompt(str(number)), 0, str(number), Request((Message(role="user", content="x"),), 10))

    async def got(job: Job, answer: Answer, bought: bool) -> None: ...

    async def run() -> Asked:
        terms = Terms(Prices("mock", "m"), Limits(server.concurrency), timeout_s=timeout_s)
        async with StoredTeacher(Session(None), server, terms) as stored:
            return await stored.ask_all(jobs(), got)

    assert virtual_time.run(run()).answered == 200
    assert server.seconds <= 1.15 * ideal_s
    assert server.computed <= 200 * 1.05
    assert server.resets <= 10
