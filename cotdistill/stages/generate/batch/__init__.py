"""Buy answers in batches, at half price: submit what is missing, wait, collect, until all is answered.

A run may be killed, interrupted and begun again at any point. What is under way stands in the store
(`batch_state`), so the next run of the same command collects it instead of buying it again.
"""

from cotdistill.dispatch.asking import Asked
from cotdistill.dispatch.errors import NotAskedError
from cotdistill.dispatch.stored import StoredTeacher
from cotdistill.errors import StoppedError
from cotdistill.progress import Progress
from cotdistill.providers.batch_apis import open_batches
from cotdistill.stages.generate.batch.calls import Calls, Pace
from cotdistill.stages.generate.batch.collect import Collector
from cotdistill.stages.generate.batch.submit import Submitter
from cotdistill.stages.generate.batch.work import BUYS, BatchBudget, Work
from cotdistill.stages.generate.plan import Plan
from cotdistill.stages.generate.totals import Spending
from cotdistill.store.batches import BatchState

PACE = Pace()


async def ask_in_batches(plan: Plan, stored: StoredTeacher, spending: Spending, progress: Progress) -> Asked:
    """Buy every missing answer of the plan in batches, and store each as the provider gave it.

    Raises UsageError for a teacher without a Batch API, AccountError when the provider refuses the account,
    StoppedError after a signal (the batches go on at the provider), CotDistillError for a batch that is refused.
    """
    batches, session = open_batches(plan.teacher), stored.session
    with BatchState(plan.store.path) as state:
        calls = Calls(plan.teacher, PACE, session.stop, 60 * plan.config.max_wait)
        work = Work(
            plan, stored, batches, state, calls, PACE, BatchBudget(stored.budget, stored.tariff), spending, progress
        )
        async with batches:
            try:
                await _buy(work)
            except NotAskedError:
                assert session.stop.is_set()
        if session.interrupted:
            raise StoppedError(
                f"stopped; {work.asked.answered} new answers are kept, {len(work.waiting)} batches go on at the "
                f"provider; the same command collects them"
            )
    for pair in work.given_up:
        work.asked.failures[pair] = work.problems[pair]
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
    if work.budget.run and work.held_back == "budget":
        work.budget.run.exhausted = True
