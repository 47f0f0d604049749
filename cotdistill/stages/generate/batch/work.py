"""What submitting and collecting share: the plan, the provider, the state on disk, and what is known of this run."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from cotdistill.dispatch.asking import Asked
from cotdistill.dispatch.budget import Budget, Tariff, Worst
from cotdistill.dispatch.stored import StoredTeacher
from cotdistill.progress import Progress
from cotdistill.providers.batch_api import Batches
from cotdistill.providers.types import BadReplyError, Failure, Reply, Request
from cotdistill.stages.generate.batch.calls import Calls, Pace
from cotdistill.stages.generate.plan import Plan
from cotdistill.stages.generate.totals import Spending
from cotdistill.store.batches import BatchState, Claim, Endpoint, Shard

BUYS = 4
"""Batches that one request may be in before its prompt counts as failed."""

Pair = tuple[str, int]
"""Key and sample: one request."""


@dataclass
class BatchBudget:
    """--max-cost in batches: each shard reserves half the worst case of its requests until it is collected."""

    run: Budget | None
    tariff: Tariff | None
    _reserved: dict[str, Decimal] = field(default_factory=dict)

    def worst_case(self, request: Request, *, batch: bool) -> Decimal:
        if self.tariff is None:
            return Decimal(0)
        worst = self.tariff.usd(Worst.of(request))
        return worst / 2 if batch else worst

    def fits(self, amount: Decimal) -> bool:
        return self.run is None or sum(self._reserved.values()) + amount <= self.run.left

    def reserve(self, shard: str, amount: Decimal | None) -> None:
        """`amount` is None for a shard of an earlier run without a cap: it counts once its answers are here."""
        self._reserved[shard] = amount or Decimal(0)

    def release(self, shard: str) -> None:
        self._reserved.pop(shard, None)


@dataclass
class Work:
    plan: Plan
    stored: StoredTeacher
    batches: Batches
    state: BatchState
    calls: Calls
    pace: Pace
    budget: BatchBudget
    spending: Spending
    progress: Progress
    asked: Asked = field(default_factory=Asked)
    waiting: set[str] = field(default_factory=set)
    """Shards at the provider that hold requests of this plan."""
    problems: dict[Pair, Failure] = field(default_factory=dict)
    """The last failure of each request that came back without an answer."""
    given_up: set[Pair] = field(default_factory=set)
    bought: Counter[Pair] = field(default_factory=Counter)
    """How often a request came back from a batch without an answer."""
    held_back: Literal["budget", "queue"] | None = None
    """Why the last walk through the plan left requests for later."""
    one_at_a_time: bool = False
    """The provider's queue was full once: no second batch beside a running one."""

    def __post_init__(self) -> None:
        teacher, limits = self.plan.teacher, self.batches.limits
        self.endpoint = Endpoint(teacher.provider, teacher.base_url, teacher.model)
        self.most_requests = self.pace.most_requests or limits.requests
        self.most_bytes = self.pace.most_bytes or limits.bytes

    async def keep(self, answers: dict[Claim, bytes], shard: Shard) -> None:
        """Store answers of a batch, each as the provider gave it; counts what is new. Reads them first: a body that
        holds no answer is a problem of its request."""
        replies: dict[Claim, Reply] = {}
        for claim, raw in answers.items():
            if self.stored.holds(claim.key, claim.sample):
                continue  # collected before, by a run that was killed before it could say so
            try:
                replies[claim] = self.plan.teacher.read(raw)
            except BadReplyError as error:
                self.problems[claim.key, claim.sample] = self.plan.teacher.classify(error)
        self.state.mark_bought(list(replies))
        worst = None if shard.worst_usd is None else shard.worst_usd / max(1, shard.requests)
        await asyncio.gather(*(self.stored.keep_of_batch(*claim, reply, worst) for claim, reply in replies.items()))
        for reply in replies.values():
            self.count(reply, batch=True)

    def count(self, reply: Reply, *, batch: bool) -> None:
        """An answer that is new and stored."""
        self.spending.add(reply, batch=batch)
        self.asked.answered += 1
        if warning := self.spending.warning():
            self.progress.note(warning)

    def show(self, at_provider: int = 0, detail: str = "") -> None:
        done = self.asked.answered + len(self.given_up) + at_provider
        self.progress.update(done, ", ".join(filter(None, (detail, self.spending.describe()))))
