"""Ask a teacher many requests: workers, gate and retries put together, for whoever keeps the replies."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from cotdistill.dispatch.budget import Budget
from cotdistill.dispatch.limiter import Gate
from cotdistill.dispatch.pool import stop_on_signals, work_through
from cotdistill.dispatch.retry import FailedRequestError, NotAskedError, Retrier
from cotdistill.errors import CotDistillError, StoppedError
from cotdistill.progress import Progress
from cotdistill.records import Prompt
from cotdistill.teachers import Failure, Reply, Request, Teacher

ALL_REFUSED = 20
"""So many requests refused and none answered: the settings are wrong, not the prompts."""


class Job(NamedTuple):
    prompt: Prompt
    sample: int
    key: str
    request: Request


@dataclass
class Asked:
    """What the asking came to."""

    answered: int = 0
    failures: dict[tuple[str, int], Failure] = field(default_factory=dict)


async def ask_all(
    teacher: Teacher,
    jobs: Iterator[Job],
    keep: Callable[[Job, Reply], Awaitable[None]],
    *,
    concurrency: int,
    timeout_s: float,
    max_attempts: int,
    progress: Progress,
    budget: Budget | None = None,
    detail: Callable[[], str] = str,
) -> Asked:
    """Ask every job once it has a slot, and hand each reply to `keep`, which must make it safe. A budget that is
    exhausted ends the asking like an end of jobs.

    Raises AccountError, StoppedError after a signal, and CotDistillError when the server cannot be reached or
    refuses everything; requests in flight are finished and kept first.
    """
    asked, stop = Asked(), asyncio.Event()
    gate = Gate(concurrency, stop)
    retrier = Retrier(teacher, gate, max_attempts, timeout_s, progress.note, stop)

    async def ask(job: Job) -> None:
        name = f"{job.key}-{job.sample}"
        reply = None
        if budget and not await budget.admit(name, job.request):
            stop.set()
            return
        try:
            reply = await retrier.ask(job.request, name)
        except NotAskedError:
            return
        except FailedRequestError as error:
            asked.failures[job.prompt.id, job.sample] = error.failure
            _stop_if_hopeless(asked, error.failure)
        else:
            await keep(job, reply)
            asked.answered += 1
        finally:
            if budget:
                budget.settle(name, reply)
        retries = f"{retrier.retries} retries" if retrier.retries else ""
        progress.update(asked.answered + len(asked.failures), ", ".join(filter(None, (detail(), retries))))

    def told() -> None:
        progress.note(f"stopping: waiting for {gate.in_flight} answers in flight; Ctrl-C again leaves at once")

    async with teacher:
        with stop_on_signals(stop, told) as stopped:
            # Twice the workers: those that wait for a retry have given their slot back.
            await work_through(jobs, ask, workers=2 * concurrency, stop=stop)
    if stopped():
        raise StoppedError(f"stopped; {asked.answered} new answers are kept, the same command continues")
    return asked


def _stop_if_hopeless(asked: Asked, failure: Failure) -> None:
    if asked.answered:
        return
    if failure.kind == "unreachable":
        raise CotDistillError(f"{failure.message}. Is the server running, and --base-url right?")
    if failure.kind == "row" and len(asked.failures) >= ALL_REFUSED:
        raise CotDistillError(f"the first {ALL_REFUSED} requests were all refused: {failure.message}")
