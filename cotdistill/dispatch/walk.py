"""Walks over jobs: each gets its answer from the store, or buys it, or fails."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cotdistill.dispatch.asking import Asked, Job, stop_if_hopeless, stop_if_only_pages
from cotdistill.dispatch.errors import EnoughError, FailedRequestError, NotAskedError
from cotdistill.dispatch.lookup import Answer, read
from cotdistill.dispatch.pool import Turn, work_through
from cotdistill.errors import StoppedError

if TYPE_CHECKING:
    from cotdistill.dispatch.stored import StoredTeacher

BY_ANOTHER_RUN = (
    "an answer that another run on this store is asking for: it comes when that run has it, and is asked here once "
    "that run ends"
)

Got = Callable[[Job, Answer, bool], Awaitable[None]]
"""Called with each answer once it is safely stored, and whether this run has just bought it."""


async def ask_all(
    stored: "StoredTeacher", jobs: Iterator[Job], got: Got, report: Callable[[Asked], None] | None = None
) -> Asked:
    """Get every job's answer from the store, or buy it, and hand it to `got`, which may take its time and add
    jobs. `report` hears after each job. A budget that is exhausted ends the asking like an end of jobs, and so
    does an EnoughError of `got`.

    Raises AccountError, StoppedError after a signal, NotAskedError when something else in the session ended it,
    and CotDistillError when the server cannot be reached or refuses everything; requests in flight are finished
    and kept first.
    """
    session, enough = stored.session, asyncio.Event()
    asking = _Asking(stored, got, enough, report)
    with session.stopping(enough), _without_looking_through_imports():
        # Twice as many tasks: those that wait for a retry have given their turn back.
        await work_through(jobs, asking.work, most=2 * stored.limiter.most, stop=enough)
    if session.interrupted:
        raise StoppedError(f"stopped; {asking.asked.answered} new answers are kept, the same command continues")
    if session.stop.is_set():
        raise NotAskedError
    if not stored.terms.known and not stored.retrier.answered and not enough.is_set():
        stop_if_only_pages(asking.asked)
    return asking.asked


@contextmanager
def _without_looking_through_imports() -> Iterator[None]:
    """Freeze what is already there for the garbage collector: looking through the half million objects of an SDK and
    its types again and again costs a fifth of a run's CPU time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@dataclass
class _Asking:
    """One call of `ask_all`."""

    stored: "StoredTeacher"
    got: Got
    enough: asyncio.Event
    report: Callable[[Asked], None] | None
    asked: Asked = field(default_factory=Asked)

    async def work(self, job: Job, turn: Turn) -> None:
        try:
            await self._work(job, turn)
        except EnoughError:
            self.enough.set()
            return
        except (NotAskedError, StoppedError):  # of this job, or of what `got` asked: the session is ending
            return
        except Exception:
            self.stored.session.stop_all()
            raise
        if self.report:
            self.report(self.asked)

    async def _work(self, job: Job, turn: Turn) -> None:
        store = self.stored.store
        try:
            async with self._claim(job, turn):
                raw = None if store is None else store.get(job.key, job.sample)
                known = None if raw is None else read(self.stored.teacher, raw, job.request)
                reply = known or await self.stored.buy(job, turn.begun, self.enough, instead=raw is not None)
        except FailedRequestError as error:
            self.asked.failures[job.key, job.sample] = error.failure
            stop_if_hopeless(self.asked, error.failure)
            return
        await asyncio.sleep(0)  # the requests that have this one's place go out before its answer is worked on
        self.asked.answered += known is None
        self.asked.found += known is not None
        await self.got(job, Answer(job.key, reply), known is None)

    def _claim(self, job: Job, turn: Turn) -> AbstractAsyncContextManager[None]:
        claims, session = self.stored.session.claims, self.stored.session
        if claims is None or self.stored.store is None:
            return nullcontext()
        return claims.claim(job.key, job.sample, session.stop, lambda: self._aside(turn))

    @contextmanager
    def _aside(self, turn: Turn) -> Iterator[None]:
        with turn.aside(), self.stored.session.waits.on(BY_ANOTHER_RUN):
            yield
