"""The one retry loop. The SDKs' own is off, so no request is multiplied and every wait is seen here."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

import tenacity

from cotdistill.dispatch.limiter import Gate
from cotdistill.errors import AccountError
from cotdistill.teachers import Failure, Reply, Request, Teacher

LONG_WAIT_S = 120.0
"""A wait that a person should hear about."""

UNREACHABLE_ATTEMPTS = 4
"""Tries, over about ten seconds, before a server that never answered is called unreachable."""


class FailedRequestError(Exception):
    """This request gets no answer; the run goes on. Carries the last Failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class NotAskedError(Exception):
    """The run is stopping: this request was waiting for a slot or a retry and was not sent."""


@dataclass
class Retrier:
    """Asks until there is an answer, a final failure, or `max_attempts` are spent.

    Raises FailedRequestError for this request alone, AccountError when no request can succeed, NotAskedError once
    `stop` is set: then nothing new is sent, and nobody sleeps on.
    """

    teacher: Teacher
    gate: Gate
    max_attempts: int
    timeout_s: float
    note: Callable[[str], None]
    stop: asyncio.Event
    retries: int = 0
    answered: int = 0
    _told: bool = field(default=False, repr=False)

    async def ask(self, request: Request, idempotency_key: str) -> Reply:
        attempts = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(_may_retry),
            stop=self._give_up,
            wait=self._wait,
            before_sleep=self._before_sleep,
            sleep=self._sleep,
            reraise=True,
        )
        reply: Reply = await attempts(self._once, request, idempotency_key)
        self.answered += 1
        return reply

    async def _once(self, request: Request, idempotency_key: str) -> Reply:
        async with self.gate.slot():
            if self.stop.is_set():
                raise NotAskedError
            try:
                async with asyncio.timeout(self.timeout_s):
                    return await self.teacher.ask(request, idempotency_key)
            except TimeoutError:
                failure = Failure("retry", f"no answer within {self.timeout_s:g} s")
            except Exception as error:  # the teacher knows its SDK's errors, and re-raises what is a bug
                failure = self.teacher.classify(error)
        if failure.kind == "account":
            raise AccountError(failure.message)
        raise FailedRequestError(failure)

    async def _sleep(self, seconds: float) -> None:
        """Until the time is over or the run stops."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)

    def _give_up(self, state: tenacity.RetryCallState) -> bool:
        unreachable = _failure(state).kind == "unreachable" and not self.answered
        return state.attempt_number >= (
            min(UNREACHABLE_ATTEMPTS, self.max_attempts) if unreachable else self.max_attempts
        )

    def _wait(self, state: tenacity.RetryCallState) -> float:
        backoff = tenacity.wait_random_exponential(multiplier=1, min=0.5, max=60)(state)
        wait_s = _failure(state).wait_s
        return backoff if wait_s is None else wait_s

    def _before_sleep(self, state: tenacity.RetryCallState) -> None:
        failure = _failure(state)
        self.retries += 1
        if failure.wait_s is None:
            return
        self.gate.hold(failure.wait_s)
        if failure.wait_s >= LONG_WAIT_S and not self._told:
            self._told = True
            self.note(
                f"the server asks to wait {failure.wait_s:.0f} s ({failure.message}); Ctrl-C is safe, nothing is lost"
            )


def _may_retry(error: BaseException) -> bool:
    return isinstance(error, FailedRequestError) and error.failure.kind != "row"


def _failure(state: tenacity.RetryCallState) -> Failure:
    error = state.outcome.exception() if state.outcome else None
    return error.failure if isinstance(error, FailedRequestError) else Failure("retry", str(error))
