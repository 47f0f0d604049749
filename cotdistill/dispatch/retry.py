"""The one retry loop. The SDKs' own is off, so no request is multiplied and every wait is seen here."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

import tenacity

from cotdistill.dispatch.limiter import Limiter, Ticket
from cotdistill.dispatch.refusals import MAX_WAIT_S, Refusals, spelled_out
from cotdistill.errors import CotDistillError
from cotdistill.pricing import Billed
from cotdistill.providers.errors import clean
from cotdistill.providers.types import BadReplyError, Failure, Reply, Request, Teacher
from cotdistill.records import Usage

log = logging.getLogger(__name__)

LONG_WAIT_S = 120.0
"""A wait that a person should hear about."""

UNREACHABLE_ATTEMPTS = 4
"""Tries, over about ten seconds, before a server that never answered is called unreachable."""


AT_WORK_S = 60.0
"""A request that has been out for longer is being answered, not refused."""

PUSHED_BACK = 10
"""Times as many tries for a request that the server has no room for just now, while it answers others."""


class FailedRequestError(Exception):
    """This request gets no answer; the run goes on. Carries the last Failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


async def _kept(reply: Reply) -> None: ...


class Meter:
    """Pays for attempts; this one takes any. `admit` raises NotAskedError when the money does not suffice for another
    attempt. Each admitted one is settled: with what it was billed for, which may be an attempt without an answer, or
    with None, when it cannot have been billed. An attempt that may have been billed and does not say for what has a
    usage of which nothing is known."""

    async def admit(self) -> None: ...

    def settle(self, billed: Billed | None) -> None: ...


class Unanswered(NamedTuple):
    """What an attempt without an answer may be billed for."""

    usage: Usage = Usage()
    cost_usd: Decimal | None = None


class _Order(NamedTuple):
    """What `ask` was given."""

    request: Request
    idempotency_key: str
    begun: Callable[[], None]
    keep: Callable[[Reply], Awaitable[None]]
    meter: Meter


@dataclass
class Retrier:
    """Asks until there is an answer, a final failure, or `max_attempts` are spent.

    Raises FailedRequestError for this request alone, AccountError when no request can succeed, NotAskedError once
    `stop` is set: then nothing new is sent and every wait ends.
    """

    teacher: Teacher
    limiter: Limiter
    max_attempts: int
    timeout_s: float
    note: Callable[[str], None]
    stop: asyncio.Event
    max_wait_s: float = MAX_WAIT_S
    retries: int = 0
    answered: int = 0
    refusals: Refusals = field(init=False, repr=False)
    _noted: bool = field(default=False, repr=False)
    _flying: dict[int, float] = field(default_factory=dict, init=False, repr=False)
    """When each attempt under way was sent, by its number."""
    _progress_at: float = field(default=-1.0, init=False, repr=False)
    """When the last answer came, or the first request was made."""

    def __post_init__(self) -> None:
        self.refusals = Refusals(self.max_wait_s)

    async def ask(
        self,
        request: Request,
        idempotency_key: str,
        begun: Callable[[], None] = lambda: None,
        keep: Callable[[Reply], Awaitable[None]] = _kept,
        meter: Meter | None = None,
    ) -> Reply:
        """Calls `begun` when the request goes out, and `keep` with the reply while it still counts as in flight: so
        what is in flight is the most that a crash can lose. `meter` pays for each attempt."""
        order = _Order(request, idempotency_key, begun, keep, meter or Meter())
        try:
            reply = await self._once(order)
        except FailedRequestError as error:
            reply = await self._again(order, error)
        self.answered += 1
        return reply

    async def _again(self, order: _Order, failed: FailedRequestError) -> Reply:
        """After the first attempt, which is made without tenacity's bookkeeping: most need no other."""
        first: list[FailedRequestError] = [failed]

        async def attempt() -> Reply:
            if first:
                raise first.pop()
            return await self._once(order)

        attempts = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(_may_retry),
            stop=self._give_up,
            wait=self._wait,
            before_sleep=self._before_sleep,
            sleep=self._sleep,
            reraise=True,
        )
        reply: Reply = await attempts(attempt)
        return reply

    def describe(self) -> str:
        """For the progress line."""
        counts = {"retries": self.retries, "push-backs": self.limiter.pushed_back}
        flying = f"{self.limiter.in_flight} of {self.limiter.window.limit} in flight"
        return ", ".join([flying, *(f"{count} {name}" for name, count in counts.items() if count)])

    async def _once(self, order: _Order) -> Reply:
        await order.meter.admit()
        billed: Billed | None = None
        try:
            ticket = await self.limiter.enter(order.request)
            order.begun()
            reply, failure, billed = await self._answer(order, ticket)
        finally:
            order.meter.settle(billed)
        if reply is not None:
            return reply
        assert failure is not None
        if failure.kind == "account":
            raise failure.fatal()
        raise FailedRequestError(failure)

    async def _answer(self, order: _Order, ticket: Ticket) -> tuple[Reply | None, Failure | None, Billed | None]:
        """One attempt, out under its ticket until its reply is kept."""
        self._flying[ticket.number] = ticket.started
        if self._progress_at < 0:
            self._progress_at = ticket.started
        reply, failure, billed = None, None, None
        try:
            reply, failure, billed = await self._attempt(order)
            if reply is not None:
                self.refusals.answered(ticket.number)
                self._progress_at = asyncio.get_running_loop().time()
                await order.keep(reply)
            elif failure is not None:
                failure = self.refusals.weigh(self._if_starved(failure), order.request.messages, ticket.number)
        finally:
            self._flying.pop(ticket.number, None)
            self.limiter.leave(ticket, reply, failure)
        return reply, failure, billed

    async def _attempt(self, order: _Order) -> tuple[Reply | None, Failure | None, Billed | None]:
        try:
            async with asyncio.timeout(self.timeout_s):
                reply = await self.teacher.ask(order.request, order.idempotency_key)
                return reply, None, reply
        except TimeoutError:
            return None, Failure("retry", f"no answer within {self.timeout_s:g} s", push_back="lost"), Unanswered()
        except Exception as error:
            failure = self._classified(error)
            return None, failure, _billed(error, failure)

    def _classified(self, error: Exception) -> Failure:
        """The teacher knows its SDK's errors, and re-raises what is a bug. One reply that lays it bare must not end a
        run that has answers: what else it asks is paid for."""
        try:
            return self.teacher.classify(error)
        except CotDistillError:
            raise  # explained: a server that ended, memory that ran out
        except Exception as bug:
            if not self.answered:
                raise
            log.debug("a bug in the teacher", exc_info=bug)
            return Failure("row", f"a bug in teacher {self.teacher.provider}: {type(bug).__name__}: {clean(str(bug))}")

    def _if_starved(self, failure: Failure) -> Failure:
        """A limit that lets nothing through for longer than --max-wait is no limit a minute, whatever the server calls
        it; unless it is still at work on something."""
        now = asyncio.get_running_loop().time()
        idle_s = now - self._progress_at
        at_work = any(now - started > AT_WORK_S for started in self._flying.values())
        if failure.push_back != "quota" or idle_s <= self.max_wait_s or at_work:
            return failure
        words = f"nothing was answered for {spelled_out(idle_s)} (--max-wait): {failure.message}"
        return replace(failure, kind="account", message=words)

    async def _sleep(self, seconds: float) -> None:
        """Until the time is over or the run stops."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)

    def _give_up(self, state: tenacity.RetryCallState) -> bool:
        """A push-back costs nothing and says nothing of the request, so it may be tried more often."""
        failure, most = _failure(state), self.max_attempts
        if failure.kind == "unreachable" and not self.answered:
            most = min(UNREACHABLE_ATTEMPTS, most)
        free = failure.push_back in ("quota", "capacity") and self.answered
        return state.attempt_number >= (most * PUSHED_BACK if free else most)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        failure = _failure(state)
        if failure.wait_s is not None:
            return failure.wait_s
        if failure.push_back == "quota":
            return 0.0  # when anybody may send is the limiter's to find
        return tenacity.wait_random_exponential(multiplier=1, min=0.5, max=60)(state)

    def _before_sleep(self, state: tenacity.RetryCallState) -> None:
        failure = _failure(state)
        self.retries += 1
        log.debug("attempt %d failed and is repeated: %s", state.attempt_number, failure.message)
        if failure.wait_s is not None and failure.wait_s >= LONG_WAIT_S and not self._noted:
            self._noted = True
            self.note(
                f"the server asks to wait {failure.wait_s:.0f} s ({failure.message}); Ctrl-C is safe, nothing is lost"
            )


def _billed(error: Exception, failure: Failure) -> Billed | None:
    """What an attempt without an answer may cost. A refusal with a status is free with every provider, and so is a
    request that reached no server; an answer that came and could not be used, or broke off, is not."""
    if isinstance(error, BadReplyError):
        if error.usage.output_tokens is not None or error.cost_usd is not None:
            return error
        return None if error.problem is not None else Unanswered()
    return None if failure.kind == "unreachable" or hasattr(error, "status_code") else Unanswered()


def _may_retry(error: BaseException) -> bool:
    return isinstance(error, FailedRequestError) and error.failure.kind != "row"


def _failure(state: tenacity.RetryCallState) -> Failure:
    error = state.outcome.exception() if state.outcome else None
    return error.failure if isinstance(error, FailedRequestError) else Failure("retry", str(error))
