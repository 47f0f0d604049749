"""The one retry loop. The SDKs' own is off, so no request is multiplied and every wait is seen here."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import tenacity

from cotdistill.dispatch.limiter import Limiter
from cotdistill.errors import AccountError
from cotdistill.providers.types import Failure, Reply, Request, Teacher

log = logging.getLogger(__name__)

LONG_WAIT_S = 120.0
"""A wait that a person should hear about."""

UNREACHABLE_ATTEMPTS = 4
"""Tries, over about ten seconds, before a server that never answered is called unreachable."""


PUSHED_BACK = 10
"""Times as many tries for a request that the server has no room for just now, while it answers others."""


class FailedRequestError(Exception):
    """This request gets no answer; the run goes on. Carries the last Failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


async def _kept(reply: Reply) -> None: ...


class _Order(NamedTuple):
    """What `ask` was given."""

    request: Request
    idempotency_key: str
    begun: Callable[[], None]
    keep: Callable[[Reply], Awaitable[None]]


@dataclass
class Retrier:
    """Asks until there is an answer, a final failure, or `max_attempts` are spent.

    Raises FailedRequestError for this request alone, AccountError when no request can succeed, NotAskedError once
    `stop` is set: then nothing new is sent, and nobody sleeps on.
    """

    teacher: Teacher
    limiter: Limiter
    max_attempts: int
    timeout_s: float
    note: Callable[[str], None]
    stop: asyncio.Event
    retries: int = 0
    answered: int = 0
    _told: bool = field(default=False, repr=False)

    async def ask(
        self,
        request: Request,
        idempotency_key: str,
        begun: Callable[[], None] = lambda: None,
        keep: Callable[[Reply], Awaitable[None]] = _kept,
    ) -> Reply:
        """Calls `begun` when the request goes out, and `keep` with the reply while it still counts as in flight: so
        what is in flight is the most that a crash can lose."""
        order = _Order(request, idempotency_key, begun, keep)
        try:
            reply = await self._once(order)
        except FailedRequestError as error:
            if error.failure.kind == "row":
                raise
            reply = await self._again(error, order)
        self.answered += 1
        return reply

    def describe(self) -> str:
        """For the progress line."""
        counts = {"retries": self.retries, "push-backs": self.limiter.pushed_back}
        flying = f"{self.limiter.in_flight} of {self.limiter.window.limit} in flight"
        return ", ".join([flying, *(f"{count} {name}" for name, count in counts.items() if count)])

    async def _again(self, first: FailedRequestError, order: _Order) -> Reply:
        """The first failure counts as the first attempt. Apart from `ask`, for most requests never come here."""

        made = [first]

        async def attempt() -> Reply:
            if made:
                raise made.pop()
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

    async def _once(self, order: _Order) -> Reply:
        ticket = await self.limiter.enter(order.request)
        order.begun()
        reply, failure = None, None
        try:
            outcome = await self._attempt(order)
            if isinstance(outcome, Reply):
                reply = outcome
                await order.keep(reply)
                return reply
            failure = outcome
        finally:
            self.limiter.leave(ticket, reply, failure)
        if failure.kind == "account":
            raise AccountError(failure.message)
        raise FailedRequestError(failure)

    async def _attempt(self, order: _Order) -> Reply | Failure:
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self.teacher.ask(order.request, order.idempotency_key)
        except TimeoutError:
            return Failure("retry", f"no answer within {self.timeout_s:g} s")
        except Exception as error:  # the teacher knows its SDK's errors, and re-raises what is a bug
            return self.teacher.classify(error)

    async def _sleep(self, seconds: float) -> None:
        """Until the time is over or the run stops."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)

    def _give_up(self, state: tenacity.RetryCallState) -> bool:
        """A push-back costs nothing and says nothing of the request, so it may be tried more often."""
        failure, most = _failure(state), self.max_attempts
        if failure.kind == "unreachable" and not self.answered:
            most = min(UNREACHABLE_ATTEMPTS, most)
        return state.attempt_number >= (most * PUSHED_BACK if failure.push_back and self.answered else most)

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
        if failure.wait_s is not None and failure.wait_s >= LONG_WAIT_S and not self._told:
            self._told = True
            self.note(
                f"the server asks to wait {failure.wait_s:.0f} s ({failure.message}); Ctrl-C is safe, nothing is lost"
            )


def _may_retry(error: BaseException) -> bool:
    return isinstance(error, FailedRequestError) and error.failure.kind != "row"


def _failure(state: tenacity.RetryCallState) -> Failure:
    error = state.outcome.exception() if state.outcome else None
    return error.failure if isinstance(error, FailedRequestError) else Failure("retry", str(error))
