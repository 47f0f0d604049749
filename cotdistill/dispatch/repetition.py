"""When a failed request is sent again, how long it waits before that, and when it is given up."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import tenacity

from cotdistill.dispatch.errors import FailedRequestError
from cotdistill.providers.types import Failure, Reply

log = logging.getLogger(__name__)

LONG_WAIT_S = 120.0
"""The user is told of a wait that is longer."""

UNREACHABLE_ATTEMPTS = 4
"""Attempts, over about ten seconds, after which a server that never answered is called unreachable."""

PUSHED_BACK = 10
"""How many times as many attempts a request gets where the server answers others and has no room for this one."""


@dataclass
class Repetition:
    max_attempts: int
    note: Callable[[str], None]
    stop: asyncio.Event
    answers: Callable[[], bool]
    """Returns whether the server has answered anything yet."""
    retries: int = 0
    _noted: bool = False

    async def after(self, failed: FailedRequestError, attempt: Callable[[], Awaitable[Reply]]) -> Reply:
        """Repeat the request after its first attempt, which was made without tenacity's bookkeeping because most
        requests need no second one. Raises the last FailedRequestError, and any other error of an attempt at once."""
        first = [failed]

        async def again() -> Reply:
            if first:
                raise first.pop()
            return await attempt()

        attempts = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(_may_retry),
            stop=self._give_up,
            wait=self._wait,
            before_sleep=self._before_sleep,
            sleep=self._sleep,
            reraise=True,
        )
        reply: Reply = await attempts(again)
        return reply

    async def _sleep(self, seconds: float) -> None:
        """Sleep until the time is over or the run stops."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)

    def _give_up(self, state: tenacity.RetryCallState) -> bool:
        """A push-back costs nothing and says nothing about the request, so it may be tried more often."""
        failure, most = _failure(state), self.max_attempts
        if failure.kind == "unreachable" and not self.answers():
            most = min(UNREACHABLE_ATTEMPTS, most)
        free = failure.push_back in ("quota", "capacity") and self.answers()
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


def _may_retry(error: BaseException) -> bool:
    return isinstance(error, FailedRequestError) and error.failure.kind != "row"


def _failure(state: tenacity.RetryCallState) -> Failure:
    error = state.outcome.exception() if state.outcome else None
    return error.failure if isinstance(error, FailedRequestError) else Failure("retry", str(error))
