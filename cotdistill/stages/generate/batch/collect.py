"""Wait for batches and store what they answered. Collecting twice does no harm: the store keeps the first."""

import time
from contextlib import aclosing
from dataclasses import dataclass

from cotdistill.dispatch.errors import NotAskedError
from cotdistill.errors import AccountError, CotDistillError
from cotdistill.providers.batch_api import DAY_S, BatchStatus
from cotdistill.providers.types import Failure
from cotdistill.stages.generate.batch.calls import NotFoundError
from cotdistill.stages.generate.batch.work import BUYS, Work
from cotdistill.store.batches import Claim, Shard
from cotdistill.wording import counted

AT_ONCE = 500
"""Answers of one commit."""

GROWTH = 1.5
"""Of the wait between two looks."""


@dataclass
class Collector:
    work: Work

    async def collect(self) -> None:
        """Until all waiting shards are collected; with requests held back by a full queue, until one is."""
        work, wait_s = self.work, self.work.pace.first_s
        while work.waiting:
            ended, done = False, 0
            for name in sorted(work.waiting):
                status = await self._look(name)
                if status is None:
                    work.waiting.discard(name)
                    ended = True
                else:
                    done += status.done
            if ended:
                wait_s = work.pace.first_s
            if not work.waiting or (ended and work.held_back == "queue"):
                return
            work.show(done, f"{counted(len(work.waiting), 'batch', 'batches')} running, next look in {wait_s:.0f} s")
            await work.calls.rest(wait_s)
            wait_s = min(work.pace.most_s, wait_s * GROWTH)

    async def _look(self, name: str) -> BatchStatus | None:
        """The status of a shard; None once it is dealt with, here or by another process."""
        work = self.work
        shard = work.state.get(name)
        if shard is None or shard.batch is None:
            return None
        batch = shard.batch
        try:
            status = await work.calls.patiently(f"look at batch {batch}", lambda: work.batches.status(batch))
            if not status.ended:
                return status
            if status.gone:
                raise NotFoundError(f"batch {batch}: its results are no longer kept")
            if status.refused:
                self._refused(shard, status.refused, queue_full=status.queue_full)
            elif shard.certain or await self._is_ours(shard, batch):
                await work.calls.patiently(f"read the results of batch {batch}", lambda: self._read(shard, batch))
                self._close(shard)
        except NotFoundError as error:
            self._lost(shard, error)
        work.budget.release(name)
        return None

    async def _is_ours(self, shard: Shard, batch: str) -> bool:
        work = self.work
        if await work.calls.patiently(f"read batch {batch}", lambda: work.batches.holds(batch, shard.name)):
            return True
        work.state.not_ours(shard.name, batch)
        work.progress.note(f"batch {batch} is not ours after all")
        return False

    async def _read(self, shard: Shard, batch: str) -> None:
        work, unknown = self.work, 0
        answers: dict[Claim, bytes] = {}
        async with aclosing(work.batches.items(batch)) as items:
            async for item in items:
                claim = work.state.item(shard.name, item.custom_id)
                if claim is None:
                    unknown += 1
                elif item.raw is not None:
                    answers[claim] = item.raw
                elif item.failure is not None:
                    work.problems[claim.key, claim.sample] = item.failure
                if len(answers) >= AT_ONCE:
                    await work.keep(answers, shard)
                    answers.clear()
                    work.show()
                    if work.calls.stop.is_set():
                        raise NotAskedError
        await work.keep(answers, shard)
        if unknown and work.state.get(shard.name):  # unless another process has just collected it
            work.progress.note(f"batch {batch}: {unknown} results belong to no request of ours and were ignored")

    def _close(self, shard: Shard) -> None:
        """All results are stored: what has none goes into another batch, or is given up."""
        work, answered = self.work, self.work.asked.answered > 0
        account: dict[str, Failure] = {}  # by question
        for claim in work.state.items(shard.name):
            pair = (claim.key, claim.sample)
            if work.stored.holds(*pair):
                work.problems.pop(pair, None)
                answered = True
                continue
            problem = work.problems.setdefault(pair, Failure("retry", "the provider returned no result for it"))
            work.bought[pair] += 1
            if problem.kind == "account":
                account[claim.key] = problem
            if problem.kind in ("row", "account") or work.bought[pair] >= BUYS:
                work.given_up.add(pair)
        work.state.drop(shard.name)
        # As online: among answers, one question that is refused so is this question's trouble, two are the account's.
        if len(account) > answered:
            raise next(iter(account.values())).fatal()

    def _refused(self, shard: Shard, refused: Failure, *, queue_full: bool) -> None:
        """Nothing of it ran, and nothing of it is billed."""
        work = self.work
        work.state.drop(shard.name)
        if not queue_full:
            kind = AccountError if refused.kind == "account" else CotDistillError
            raise kind(f"the provider refused batch {shard.batch}: {refused.message}. Nothing of it is billed")
        alone = len(work.waiting) == 1
        if alone and shard.requests == 1:
            raise CotDistillError(
                f"the provider's queue takes no batch now: {refused.message}. The same command continues later"
            )
        work.one_at_a_time = True
        if alone:
            work.most_requests = max(1, shard.requests // 2)
        work.held_back = "queue"
        work.progress.note(
            f"batch {shard.batch} did not fit into the provider's queue; going on with one batch at a time"
            + (f" of at most {work.most_requests} requests" if alone else "")
        )

    def _lost(self, shard: Shard, error: NotFoundError) -> None:
        """The provider does not know it. With another workspace's key that is to be expected, and it may still run."""
        if time.time() - shard.begun_at < DAY_S:
            raise CotDistillError(
                f"{error}. It was submitted less than a day ago: is this the key of the same account and workspace? "
                "After a day the same command asks what was in it again"
            )
        self.work.state.drop(shard.name)
        self.work.progress.note(f"{error}; what was in it ({counted(shard.requests, 'request')}) is asked again")
