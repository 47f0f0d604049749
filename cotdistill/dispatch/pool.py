"""A fixed number of workers that pull jobs from a stream: memory does not grow with the number of jobs."""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Job = TypeVar("Job")


async def work_through(
    jobs: Iterator[Job], work: Callable[[Job], Awaitable[None]], *, workers: int, stop: asyncio.Event
) -> None:
    """Run `work` on every job. Once `stop` is set, or one job raises, no further job is begun, and those in
    flight are finished: they are paid for. The first exception is raised when all are done."""
    problems: list[Exception] = []

    async def worker() -> None:
        while not stop.is_set():
            try:
                job = next(jobs)
            except StopIteration:
                return
            try:
                await work(job)
            except Exception as error:  # raised again below, once the others have drained
                problems.append(error)
                stop.set()

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(worker())
    if problems:
        raise problems[0]


@contextmanager
def stop_on_signals(stop: asyncio.Event, tell: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C or SIGTERM sets `stop`; the second one ends the program at once. Gives a function that
    says whether a signal came."""
    loop = asyncio.get_running_loop()
    # Only the main thread may handle signals; a stage that runs in another one is stopped by its owner.
    main = threading.current_thread() is threading.main_thread()
    handled = (signal.SIGINT, signal.SIGTERM) if main else ()
    came = False

    def first() -> None:
        nonlocal came
        came = True
        stop.set()
        tell()
        for number in handled:
            loop.remove_signal_handler(number)

    for number in handled:
        loop.add_signal_handler(number, first)
    try:
        yield lambda: came
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
