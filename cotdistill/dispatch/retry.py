"""The one retry loop. The SDKs' own retries are off, so that no request is multiplied and every wait is seen here."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from cotdistill.dispatch.errors import FailedRequestError
from cotdistill.dispatch.limiter import Limiter, Ticket
from cotdistill.dispatch.meter import Meter, Unanswered, billed_for
from cotdistill.dispatch.refusals import MAX_WAIT_S, Refusals, spelled_out
from cotdistill.errors import CotDistillError
from cotdistill.pricing import Billed
from cotdistill.providers.errors import clean
from cotdistill.providers.types import Failure, Reply, Request, Teacher
from cotdistill.providers.usage import with_proven_input

if TYPE_CHECKING:
    from cotdistill.dispatch.repetition import Repetition

log = logging.getLogger(__name__)

AT_WORK_S = 60.0
"""A request in flight for longer is being answered, not refused."""

MANY = 128
"""With so many requests at once, a disk keeps a tenth of the places taken."""


def unsaved_beside(most: int) -> int:
    """How many answers may be on their way to the disk beside `most` requests in flight: none beside few, where a crash
    is to lose no more than what is in flight."""
    return most // 8 if most >= MANY else 0


Keep = Callable[[Reply], asyncio.Future[None] | None]
"""Stores an answer; the future is done once the answer is on disk."""


class _Order(NamedTuple):
    """The arguments of `Retrier.ask`."""

    request: Request
    idempotency_key: str
    begun: Callable[[], None]
    keep: Keep
    meter: Meter


class _Outcome(NamedTuple):
    """What came of one attempt: the reply or the failure, and what it may be billed for."""

    reply: Reply | None
    failure: Failure | None
    billed: Billed | None


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
    answered: int = 0
    refusals: Refusals = field(init=False, repr=False)
    _flying: dict[int, float] = field(default_factory=dict, init=False, repr=False)
    """When each attempt in flight was sent, by its number."""
    _unsaved: int = field(default=0, init=False, repr=False)
    """Answers that are not on disk yet and have freed their place in flight."""
    _progress_at: float = field(default=-1.0, init=False, repr=False)
    """When the last answer came, or the first request was made."""

    def __post_init__(self) -> None:
        self.refusals = Refusals(self.max_wait_s)

    @cached_property
    def _again(self) -> "Repetition":
        from cotdistill.dispatch.repetition import Repetition

        return Repetition(self.max_attempts, self.note, self.stop, lambda: self.answered > 0)

    @property
    def retries(self) -> int:
        return self._again.retries if "_again" in vars(self) else 0

    async def ask(
        self,
        request: Request,
        idempotency_key: str,
        begun: Callable[[], None] = lambda: None,
        keep: Keep = lambda reply: None,
        meter: Meter | None = None,
    ) -> Reply:
        """Ask until there is a reply, and return it once it is on disk.

        `begun` is called when the request goes out, and `keep` with the reply. A crash can lose the requests in flight,
        and `unsaved_beside` them as many answers. `meter` pays for each attempt.
        """
        order = _Order(request, idempotency_key, begun, keep, meter or Meter())
        try:
            reply = await self._once(order)
        except FailedRequestError as error:
            reply = await self._again.after(error, lambda: self._once(order))
        self.answered += 1
        return reply

    def describe(self) -> str:
        """The progress line's words: requests in flight, retries, push-backs."""
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

    async def _answer(self, order: _Order, ticket: Ticket) -> _Outcome:
        """Make one attempt, which holds its ticket until its reply is on disk. Where many are in flight, some leave as
        soon as the reply is there, for the server has nothing more to do for them."""
        self._flying[ticket.number] = ticket.started
        if self._progress_at < 0:
            self._progress_at = ticket.started
        reply, failure, billed, saved = None, None, None, None
        try:
            reply, failure, billed = await self._attempt(order)
            if reply is not None:
                self.refusals.answered(ticket.number)
                self._progress_at = asyncio.get_running_loop().time()
                saved = order.keep(reply)
                if saved is not None and self._unsaved >= unsaved_beside(self.limiter.window.limit):
                    await saved
            elif failure is not None:
                failure = self.refusals.weigh(self._if_starved(failure), order.request.messages, ticket.number)
        finally:
            self._flying.pop(ticket.number, None)
            self.limiter.leave(ticket, reply, failure)
        if saved is not None:
            await self._until(saved)
        return _Outcome(reply, failure, billed)

    async def _until(self, saved: asyncio.Future[None]) -> None:
        self._unsaved += 1
        try:
            await saved
        finally:
            self._unsaved -= 1

    async def _attempt(self, order: _Order) -> _Outcome:
        try:
            async with asyncio.timeout(self.timeout_s):
                reply = await self.teacher.ask(order.request, order.idempotency_key)
                reply = with_proven_input(reply, order.request)
                return _Outcome(reply, None, reply)
        except TimeoutError:
            failure = Failure("retry", f"no answer within {self.timeout_s:g} s", push_back="lost")
            return _Outcome(None, failure, Unanswered())
        except Exception as error:
            failure = self._classified(error)
            return _Outcome(None, failure, billed_for(error, failure))

    def _classified(self, error: Exception) -> Failure:
        """Ask the teacher what an error means; it re-raises what is a bug. A bug that a single reply lays bare must not
        end a run that has answers, because its other requests are paid for."""
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
        """A failure of the account where a rate limit lets nothing through for longer than --max-wait: whatever the
        server calls it, that is no limit a minute. Not so while the server still works on a request."""
        now = asyncio.get_running_loop().time()
        idle_s = now - self._progress_at
        at_work = any(now - started > AT_WORK_S for started in self._flying.values())
        if failure.push_back != "quota" or idle_s <= self.max_wait_s or at_work:
            return failure
        words = f"nothing was answered for {spelled_out(idle_s)} (--max-wait): {failure.message}"
        return replace(failure, kind="account", message=words, address=False)
