"""Buy answers in batches, at half price: submit what is missing, wait, collect, until all is answered.

A run may be killed, interrupted and begun again at any point. What is under way stands in the store
(`batch_state`), so the next run of the same command collects it instead of buying it again.
"""

import asyncio

from cotdistill.dispatch.asking import Asked
from cotdistill.dispatch.budget import Budget
from cotdistill.dispatch.errors import NotAskedError
from cotdistill.dispatch.pool import stop_on_signals
from cotdistill.errors import StoppedError
from cotdistill.progress import Progress
from cotdistill.providers.batch_apis import open_batches
from cotdistill.stages.generate.batch.calls import Calls, Pace
from cotdistill.stages.generate.batch.collect import Collector
from cotdistill.stages.generate.batch.submit import Submitter
from cotdistill.stages.generate.batch.work import BUYS, Purse, Work
from cotdistill.stages.generate.plan import Plan
from cotdistill.stages.generate.totals import Spending
from cotdistill.store.batches import BatchState

PACE = Pace()


async def ask_in_batches(plan: Plan, spending: Spending, budget: Budget | None, progress: Progress) -> Asked:
    """Buy every missing answer of the plan in batches, and store each as the provider gave it.

    Raises UsageError for a teacher without a Batch API, AccountError when the provider refuses the account,
    StoppedError after a signal (the batches go on at the provider), CotDistillError for a batch that is refused.
    """
    batches, stop = open_batches(plan.teacher), asyncio.Event()
    with BatchState(plan.store.path) as state:
        calls = Calls(plan.teacher, PACE, stop, 60 * plan.config.max_wait)
        work = Work(plan, batches, state, calls, PACE, Purse(budget), spending, progress)

        def told() -> None:
            progress.note("stopping; batches that were submitted go on at the provider")

        async with plan.teacher, batches:
            with stop_on_signals(stop, told) as stopped:
                try:
                    await _buy(work)
                except NotAskedError:
                    assert stop.is_set()
        if stopped():
            raise StoppedError(
                f"stopped; {work.asked.answered} new answers are kept, {len(work.waiting)} batches go on at the "
                f"provider; the same command collects them"
            )
    _name_failures(work)
    return work.asked


async def _buy(work: Work) -> None:
    submitter, collector = Submitter(work), Collector(work)
    walks_short_of_money = 0
    while True:
        await submitter.submit_missing()
        walks_short_of_money += work.held_back == "budget"
        if not work.waiting or walks_short_of_money > BUYS:
            break
        await collector.collect()
    if work.purse.budget and work.held_back == "budget":
        work.purse.budget.exhausted = True


def _name_failures(work: Work) -> None:
    """Requests are told apart by key, failures are reported by prompt: one request may stand under several ids."""
    if not work.given_up:
        return
    for jobs in work.plan.prompts():
        for job in jobs:
            if (job.key, job.sample) in work.given_up:
                work.asked.failures[job.prompt.id, job.sample] = work.problems[job.key, job.sample]
