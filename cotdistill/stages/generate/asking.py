"""Buys the answers that the store lacks, request by request or in batches."""

import asyncio
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial

from cotdistill.dispatch.asking import Asked, Job, Limits
from cotdistill.dispatch.errors import EnoughError
from cotdistill.dispatch.lookup import Answer
from cotdistill.dispatch.session import Session
from cotdistill.dispatch.speed import Speed, reported
from cotdistill.dispatch.stored import StoredTeacher, Terms
from cotdistill.progress import Progress
from cotdistill.providers.types import MOST_IN_FLIGHT
from cotdistill.stages.generate.arrivals import Arrivals
from cotdistill.stages.generate.estimate import Survey
from cotdistill.stages.generate.output import Output
from cotdistill.stages.generate.plan import Missing
from cotdistill.stages.generate.publish import wants_traces
from cotdistill.stages.generate.totals import Spending

SHOWN_EVERY_S = 0.1
"""Seconds between two progress lines: one costs more than to store an answer."""


def ask(written: Output, session: Session, survey: Survey, progress: Progress) -> Asked:
    """Buy what is missing. Prompts that are complete are written meanwhile, in prompt order."""
    plan, config = written.plan, written.plan.config
    limits = Limits(
        plan.teacher.concurrency,
        config.rpm,
        config.input_tpm,
        config.output_tpm,
        at_once=plan.teacher.provider == "local" or config.concurrency is not None,
    )
    terms = Terms(
        survey.prices,
        limits,
        config.timeout_s,
        config.max_attempts,
        60 * config.max_wait,
        known=survey.wanted > survey.missing,
    )
    progress.begin("generate", survey.open if plan.judge else survey.missing)
    traces, logprobs = wants_traces(plan), config.logprobs is not None
    spending = Spending(survey.prices, survey.missing, plan.to_learn, traces, logprobs)
    with session.opened(plan.teacher, terms) as stored:
        if config.batch:
            from cotdistill.stages.generate.batch import ask_in_batches

            return session.run(ask_in_batches(plan, stored, spending, progress))
        # Threads of their own: a judge's thread waits for an answer, which waits for the loop's default threads.
        threads = ThreadPoolExecutor(MOST_IN_FLIGHT if plan.judge and plan.judge.asks else None, "verify")
        try:
            return session.run(_ask_missing(written, stored, spending, progress, threads))
        finally:
            threads.shutdown(wait=False, cancel_futures=True)  # after a second Ctrl-C a verdict may still be on its way


async def _ask_missing(
    written: Output, stored: StoredTeacher, spending: Spending, progress: Progress, threads: Executor
) -> Asked:
    plan, arrivals, loop = written.plan, Arrivals(written), asyncio.get_running_loop()
    missing = Missing(plan, arrivals.expect)

    # Of a model of this machine, whose first answers end late; a teacher elsewhere is measured in answers.
    speed = Speed(stored.teacher) if stored.teacher.provider == "local" else None
    latest = Asked()

    async def got(job: Job, answer: Answer, bought: bool) -> None:
        if bought:
            if speed is not None:
                speed.add(answer.reply.usage)
            spending.add(answer.reply)
            if warning := spending.warning():
                progress.note(warning)
        if plan.judge is not None:
            accepts = partial(plan.accepts, job, answer, ask=True)
            accepted = await loop.run_in_executor(threads, accepts)  # a verdict may take seconds
            if accepted is None:
                raise EnoughError
        else:
            arrivals.came(job, answer)
        missing.follow(job)

    show_at = 0.0

    def report(asked: Asked) -> None:
        nonlocal show_at, latest
        latest = asked
        arrivals.write(asked.failures)
        if loop.time() >= show_at:
            show_at = loop.time() + SHOWN_EVERY_S
            show(asked)

    def show(asked: Asked) -> None:
        done = missing.settled + len(asked.failures) if plan.judge else asked.done
        said = speed.describe() if speed is not None else ""
        progress.update(done, ", ".join(filter(None, (said, stored.retrier.describe(), spending.describe()))))

    loop.run_in_executor(threads, spending.prices.load)  # while the first requests are on their way
    asking = stored.ask_all(missing, got, report)
    asked = await (asking if speed is None else reported(asking, lambda: show(latest)))
    show(asked)
    return asked
