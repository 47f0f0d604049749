"""Calls to a Batch API: retried with patience, because a batch may take a day and nothing is lost by waiting."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import tenacity

from cotdistill.dispatch.errors import FailedRequestError, NotAskedError
from cotdistill.dispatch.refusals import MAX_WAIT_S, unless_too_long
from cotdistill.dispatch.repetition import UNREACHABLE_ATTEMPTS
from cotdistill.errors import CotDistillError
from cotdistill.providers.types import Teacher

T = TypeVar("T")


@dataclass(frozen=True)
class Pace:
    """Seconds between two looks at a batch, at first and at most; before a missing batch counts as never made; and
    between retries. `most_requests` and `most_bytes` cut batches smaller than the provider's limits."""

    first_s: float = 30.0
    most_s: float = 300.0
    settle_s: float = 60.0
    retry_s: float = 2.0
    attempts: int = 20
    most_requests: int | None = None
    most_bytes: int | None = None


class NotFoundError(CotDistillError):
    """The provider knows no such batch, file or path."""


@dataclass
class Calls:
    """Retries what may pass. Raises AccountError, NotFoundError, CotDistillError for what will not, and NotAskedError
    once `stop` is set."""

    teacher: Teacher
    pace: Pace
    stop: asyncio.Event
    max_wait_s: float = MAX_WAIT_S
    _answered: bool = field(default=False, init=False, repr=False)

    async def patiently(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        attempts = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(_may_retry),
            stop=self._give_up,
            wait=self._wait,
            sleep=self.rest,
            reraise=True,
        )
        try:
            result: T = await attempts(self._once, what, call)
        except FailedRequestError as error:
            raise CotDistillError(
                f"cannot {what}: {error.failure.message}. Nothing is lost; the same command continues"
            ) from None
        self._answered = True
        return result

    async def rest(self, seconds: float) -> None:
        """Until the time is over; raises NotAskedError when the run stops."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)
        if self.stop.is_set():
            raise NotAskedError

    async def _once(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        if self.stop.is_set():
            raise NotAskedError
        try:
            return await call()
        except (CotDistillError, NotAskedError):
            raise
        except Exception as error:  # the teacher knows its SDK's errors, and re-raises what is a bug
            failure = unless_too_long(self.teacher.classify(error), self.max_wait_s)
            if getattr(error, "status_code", None) == 404:
                raise NotFoundError(f"cannot {what}: {failure.message}") from None
        if failure.kind == "account":
            raise failure.fatal()
        raise FailedRequestError(failure)

    def _give_up(self, state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        unreachable = isinstance(error, FailedRequestError) and error.failure.kind == "unreachable"
        return state.attempt_number >= (
            UNREACHABLE_ATTEMPTS if unreachable and not self._answered else self.pace.attempts
        )

    def _wait(self, state: tenacity.RetryCallState) -> float:
        backoff = tenacity.wait_random_exponential(multiplier=self.pace.retry_s, max=self.pace.most_s)(state)
        error = state.outcome.exception() if state.outcome else None
        asked = error.failure.wait_s if isinstance(error, FailedRequestError) else None
        return backoff if asked is None else asked


def _may_retry(error: BaseException) -> bool:
    return isinstance(error, FailedRequestError) and error.failure.kind in ("retry", "unreachable")
