"""Ask a teacher many requests: workers, gate and retries put together, for whoever keeps the replies."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from cotdistill.dispatch.budget import Budget
from cotdistill.dispatch.claims import Claims
from cotdistill.dispatch.errors import NotAskedError
from cotdistill.dispatch.limiter import FIRST_IN_FLIGHT, Limiter
from cotdistill.dispatch.pool import stop_on_signals, work_through
from cotdistill.dispatch.refusals import MAX_WAIT_S
from cotdistill.dispatch.retry import FailedRequestError, Retrier
from cotdistill.errors import CotDistillError, StoppedError
from cotdistill.progress import Progress
from cotdistill.providers.types import Failure, Reply, Request, Teacher
from cotdistill.records import Prompt

ALL_REFUSED = 20
"""So many requests refused and none answered: the settings are wrong, not the prompts."""


class Job(NamedTuple):
    prompt: Prompt
    sample: int
    key: str
    request: Request


@dataclass(frozen=True)
class Limits:
    """At most so many requests in flight; and what a person allows a minute, where they do: None finds out."""

    concurrency: int
    rpm: int | None = None
    input_tpm: int | None = None
    output_tpm: int | None = None
    at_once: bool = False
    """No slow start: a person said how many, or the model is in this process and not overrun."""


@dataclass
class Asked:
    """What the asking came to."""

    answered: int = 0
    failures: dict[tuple[str, int], Failure] = field(default_factory=dict)


async def ask_all(
    teacher: Teacher,
    jobs: Iterator[Job],
    keep: Callable[[Job, Reply], Awaitable[None]],
    *,
    limits: Limits,
    timeout_s: float,
    max_attempts: int,
    progress: Progress,
    budget: Budget | None = None,
    follow: Callable[[Job, Reply], Awaitable[None]] | None = None,
    claims: Claims | None = None,
    detail: Callable[[], str] = str,
    max_wait_s: float = MAX_WAIT_S,
) -> Asked:
    """Ask every job once it has a turn, and hand each reply to `keep`, which must make it safe: until then the request
    counts as in flight. `follow` may take its time, and add jobs. What `claims` says that another run is asking is
    waited for. A budget that is exhausted ends the asking like an end of jobs. A server that asks to wait longer than
    `max_wait_s` seconds ends it with an AccountError that says when to come back.

    Raises AccountError, StoppedError after a signal, and CotDistillError when the server cannot be reached or
    refuses everything; requests in flight are finished and kept first.
    """
    stop = asyncio.Event()
    limiter = Limiter(
        stop,
        most=limits.concurrency,
        first=limits.concurrency if limits.at_once else FIRST_IN_FLIGHT,
        rpm=limits.rpm,
        input_tpm=limits.input_tpm,
        output_tpm=limits.output_tpm,
    )
    retrier = Retrier(teacher, limiter, max_attempts, timeout_s, progress.note, stop, max_wait_s)
    asker = _Asker(retrier, keep, follow, claims, budget, progress, detail, stop)

    def told() -> None:
        progress.note(f"stopping: waiting for {limiter.in_flight} answers in flight; Ctrl-C again leaves at once")

    async with teacher, limiter:
        with stop_on_signals(stop, told) as stopped:
            # Twice as many tasks: those that wait for a retry have given their turn back.
            await work_through(jobs, asker.ask, most=2 * limiter.most, stop=stop)
    if stopped():
        raise StoppedError(f"stopped; {asker.asked.answered} new answers are kept, the same command continues")
    return asker.asked


@dataclass
class _Asker:
    """What asking one job takes; the parameters of `ask_all`."""

    retrier: Retrier
    keep: Callable[[Job, Reply], Awaitable[None]]
    follow: Callable[[Job, Reply], Awaitable[None]] | None
    claims: Claims | None
    budget: Budget | None
    progress: Progress
    detail: Callable[[], str]
    stop: asyncio.Event
    asked: Asked = field(default_factory=Asked)

    async def ask(self, job: Job, begun: Callable[[], None]) -> None:
        if self.claims is None:
            await self._ask(job, begun)
            return
        try:
            async with self.claims.of(job.key, job.sample, self.stop) as bought:
                if bought is None:
                    await self._ask(job, begun)
        except NotAskedError:
            return
        if bought is not None and self.follow:
            await self.follow(job, bought)

    async def _ask(self, job: Job, begun: Callable[[], None]) -> None:
        name = f"{job.key}-{job.sample}"
        reply = None
        if self.budget and not await self.budget.admit(name, job.request):
            self.stop.set()
            return
        try:
            reply = await self.retrier.ask(job.request, name, begun, lambda reply: self.keep(job, reply))
        except NotAskedError:
            return
        except FailedRequestError as error:
            self.asked.failures[job.prompt.id, job.sample] = error.failure
            _stop_if_hopeless(self.asked, error.failure)
        else:
            self.asked.answered += 1
            if self.follow:
                await self.follow(job, reply)
        finally:
            if self.budget:
                self.budget.settle(name, reply)
        said = filter(None, (self.retrier.describe(), self.detail()))
        self.progress.update(self.asked.answered + len(self.asked.failures), ", ".join(said))


def _stop_if_hopeless(asked: Asked, failure: Failure) -> None:
    if asked.answered:
        return
    if failure.kind == "unreachable":
        raise CotDistillError(f"{failure.message}. Is the server running, and --base-url right?")
    if len(asked.failures) >= ALL_REFUSED:
        verb = "were all refused" if failure.kind == "row" else "all failed, each as often as --max-attempts allows"
        raise CotDistillError(f"the first {ALL_REFUSED} requests {verb}: {failure.message}")
