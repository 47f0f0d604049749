"""As many tasks as there is room for, fed from a stream: memory does not grow with the number of jobs."""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Job = TypeVar("Job")

AT_THE_DOOR = 16
"""Jobs that are taken from the stream before there is room for them, so that room is filled at once."""


async def work_through(
    jobs: Iterator[Job],
    work: Callable[[Job, Callable[[], None]], Awaitable[None]],
    *,
    most: int,
    stop: asyncio.Event,
) -> None:
    """Run `work(job, begun)` on every job, `most` at once; it calls `begun` when the job no longer waits for room, and
    only then are further ones taken. An iterator that is empty is asked again whenever a job is done: jobs may lead to
    more. Once `stop` is set, or one job raises, no further job is begun, and those in flight are finished: they are
    paid for. The first exception is raised when all are done."""
    problems: list[Exception] = []
    done = asyncio.Event()
    running = waiting = 0

    async def one(job: Job) -> None:
        nonlocal running, waiting
        at_the_door = True

        def begun() -> None:
            nonlocal waiting, at_the_door
            waiting -= at_the_door
            at_the_door = False
            feed()

        try:
            await work(job, begun)
        except Exception as error:  # raised again below, once the others have drained
            problems.append(error)
            stop.set()
        finally:
            running -= 1
            begun()

    def feed() -> None:
        nonlocal running, waiting
        while waiting < AT_THE_DOOR and running < most and not stop.is_set():
            try:
                job = next(jobs)
            except StopIteration:
                break
            except Exception as error:  # a stream that breaks ends like a job that raises
                problems.append(error)
                stop.set()
                break
            running, waiting = running + 1, waiting + 1
            group.create_task(one(job))
        if not running:
            done.set()

    async with asyncio.TaskGroup() as group:
        feed()
        await done.wait()
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
    before = {number: signal.getsignal(number) for number in handled}
    came = False

    def first() -> None:
        nonlocal came
        came = True
        stop.set()
        tell()
        restore()

    def restore() -> None:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)  # the loop would leave the system's default

    for number in handled:
        loop.add_signal_handler(number, first)
    try:
        yield lambda: came
    finally:
        restore()
