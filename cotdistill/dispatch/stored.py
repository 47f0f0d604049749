"""Every answer of a teacher comes through here, from the store or bought, for whichever stage or verifier asks.

An answer in the store is never bought again; one that another run is asking for is waited for; a bought answer is on
disk before anything else happens with it.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Self

from cotdistill.dispatch import walk
from cotdistill.dispatch.asking import Asked, Job, Limits
from cotdistill.dispatch.budget import Budget, Tariff, Worst
from cotdistill.dispatch.errors import NotAskedError
from cotdistill.dispatch.lookup import Answer, as_response, find, keys_of, read
from cotdistill.dispatch.meter import Meter
from cotdistill.dispatch.refusals import MAX_WAIT_S
from cotdistill.dispatch.retry import Retrier
from cotdistill.errors import StoppedError
from cotdistill.pricing import Billed, Prices, plus
from cotdistill.providers.types import Reply, Request, Teacher
from cotdistill.records import Prompt, Response, Usage
from cotdistill.store.spending import Paid

if TYPE_CHECKING:
    from cotdistill.dispatch.session import Session


@dataclass(frozen=True)
class Terms:
    """How one teacher is asked. `budget` is the teacher's own, within the session's."""

    prices: Prices
    limits: Limits
    timeout_s: float = 600.0
    max_attempts: int = 8
    max_wait_s: float = MAX_WAIT_S
    known: bool = False
    """Whether earlier runs left answers of this teacher in the store."""
    budget: Budget | None = None


class StoredTeacher:
    """One teacher of a session, behind the store. Call `find` from any thread, `ask_all` in the session's loop."""

    def __init__(self, session: "Session", teacher: Teacher, terms: Terms, *, free: bool = False) -> None:
        self.session, self.teacher, self.terms = session, teacher, terms
        self.store = None if free else session.store
        self.budget = None if free else terms.budget or session.budget
        self.tariff = Tariff(terms.prices) if self.budget else None
        self.bought = 0
        self.spent: Decimal | None = Decimal(0)
        """USD for the answers bought in this session; None where the price of one is not known."""
        self.unanswered = 0
        """Attempts without an answer that may have been billed, and the most they may have cost."""
        self.unanswered_usd: Decimal | None = Decimal(0)

    async def __aenter__(self) -> Self:
        session, terms = self.session, self.terms
        self.limiter = session.limiter(self.teacher, terms)
        self.retrier = Retrier(
            self.teacher,
            self.limiter,
            terms.max_attempts,
            terms.timeout_s,
            session.progress.note,
            session.stop,
            terms.max_wait_s,
        )
        self.retrier.refusals.known = terms.known
        await self._opened()
        await self.limiter.__aenter__()
        return self

    async def _opened(self) -> None:
        """Open the teacher, which may load a model or start a server for minutes. Raises StoppedError after a signal
        meanwhile."""
        opening = asyncio.create_task(self.teacher.__aenter__())
        stopping = asyncio.create_task(self.session.stop.wait())
        try:
            await asyncio.wait((opening, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if not opening.done():
                opening.cancel()
                await asyncio.wait((opening,))
        if opening.cancelled():
            raise StoppedError(f"stopped before {self.teacher.model} could be asked; the same command starts again")
        await opening

    async def __aexit__(self, *error: object) -> None:
        await self.limiter.__aexit__(*error)
        await self.teacher.__aexit__(*error)

    def job(self, prompt: Prompt, sample: int, request: Request) -> Job:
        return Job(prompt, sample, *keys_of(self.teacher, request), request)

    def holds(self, key: str, sample: int) -> bool:
        """Whether the store has an answer under this key."""
        raw = None if self.store is None else self.store.get(key, sample)
        return raw is not None and read(self.teacher, raw) is not None

    def find(self, job: Job, *, retry_truncated: bool = False) -> Answer | None:
        """The stored answer to this request, under any output cap; see `lookup.find`."""
        return None if self.store is None else find(self.store, self.teacher, job, retry_truncated=retry_truncated)

    def response(self, job: Job, answer: Answer, *, license: str | None = None) -> Response:
        cost = self.terms.prices.charge(answer.reply)
        return as_response(job, answer, self.teacher, cost=cost, license=license)

    async def ask_all(self, jobs: Iterator[Job], got: walk.Got, report: Callable[[Asked], None] | None = None) -> Asked:
        """See `walk.ask_all`."""
        return await walk.ask_all(self, jobs, got, report)

    async def buy(
        self,
        job: Job,
        begun: Callable[[], None] = lambda: None,
        enough: asyncio.Event | None = None,
        *,
        instead: bool | None = None,
    ) -> Reply:
        """Ask the teacher whatever the store has, and store the reply.

        `begun` is called when the request goes out; `enough` is set when the budget does not suffice for it. `instead`:
        whether the store holds a body under this key that is no answer; None where that is not known.

        Raises FailedRequestError, AccountError, NotAskedError.
        """
        worst = Worst.of(job.request)
        return await self.retrier.ask(
            job.request,
            f"{job.key}-{job.sample}",
            begun,
            lambda reply: self.keep(job.key, job.sample, job.family, reply, worst, instead),
            _Metered(self, worst, enough or asyncio.Event()),
        )

    def keep(
        self, key: str, sample: int, family: str, reply: Reply, worst: Worst, instead: bool | None = None
    ) -> asyncio.Future[None] | None:
        """Store a bought answer and count its cost; the future is done once the answer is on disk. None where nothing
        is stored."""
        cost = self.terms.prices.charge(reply)
        self._count(cost)
        return self._put(key, sample, family, reply, cost, None if cost is not None else self.worst_usd(worst), instead)

    async def keep_of_batch(self, key: str, sample: int, family: str, reply: Reply, worst_usd: Decimal | None) -> None:
        """Store an answer out of a batch, for which no attempt has reserved money. `worst_usd` is counted in the budget
        where the server reports no usage."""
        cost = self.terms.prices.charge(reply, batch=True)
        self._count(cost)
        if self.budget:
            self.budget.pay(cost if cost is not None else worst_usd or Decimal(0))
        if saved := self._put(key, sample, family, reply, cost, None if cost is not None else worst_usd):
            await saved

    def _count(self, cost: Decimal | None) -> None:
        self.bought += 1
        if cost is None and self.terms.prices.free:
            cost = Decimal(0)
        self.spent = plus(self.spent, cost)

    def _put(
        self,
        key: str,
        sample: int,
        family: str,
        reply: Reply,
        cost: Decimal | None,
        worst_usd: Decimal | None,
        instead: bool | None = None,
    ) -> asyncio.Future[None] | None:
        if self.store is None:
            return None
        if instead is None:
            old = self.store.get(key, sample)
            instead = old is not None and read(self.teacher, old) is None
        paid = self.paid(key, sample, cost, worst_usd)
        provider, model = self.teacher.provider, self.teacher.model
        return self.store.put(key, sample, family, provider, model, reply.raw, paid, instead=instead)

    def paid(self, key: str | None, sample: int | None, cost: Decimal | None, worst_usd: Decimal | None) -> Paid:
        """The ledger's entry for one attempt."""
        teacher, payer = self.teacher, self.session.payer
        asked = (teacher.provider, teacher.model, self.session.stage, payer.recipe)
        return Paid(*asked, key, sample, cost, worst_usd, payer.run)

    def lost(self, cost: Decimal | None, worst: Worst) -> None:
        """Count an attempt without an answer that was billed, or may have been."""
        worst_usd = self.worst_usd(worst)
        counted = worst_usd if cost is None else cost
        self.unanswered += 1
        self.unanswered_usd = plus(self.unanswered_usd, counted)
        if self.store is not None:
            self.store.pay(self.paid(None, None, cost, None if cost is not None else worst_usd))

    def worst_usd(self, worst: Worst) -> Decimal | None:
        """The most that one attempt costs, as far as is known so far."""
        return self.tariff.usd(worst) if self.tariff else self.terms.prices.cost(Usage(**worst._asdict()))


@dataclass(eq=False)
class _Metered(Meter):
    """Pays for the attempts of one request out of the budget, if there is one."""

    stored: StoredTeacher
    worst: Worst
    enough: asyncio.Event

    async def admit(self) -> None:
        budget, tariff = self.stored.budget, self.stored.tariff
        if budget and tariff and not await budget.admit(self, tariff, self.worst):
            self.enough.set()
            raise NotAskedError

    def settle(self, billed: Billed | None) -> None:
        stored = self.stored
        if stored.budget is None and (billed is None or isinstance(billed, Reply)):
            return  # an answer is counted when it is kept
        cost = None if billed is None else stored.terms.prices.charge(billed)
        if stored.budget:
            stored.budget.settle(self, None if billed is None else billed.usage, cost)
        if billed is not None and not isinstance(billed, Reply):
            stored.lost(cost, self.worst)
