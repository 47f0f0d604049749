"""Runs a bounded number of tasks at once, fed from a stream: memory does not grow with the number of jobs."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Job = TypeVar("Job")

PREFETCHED = 32
"""Jobs taken from the stream before there is room for them, so that free room is filled at once."""


class Turn:
    """One job's place in the pool."""

    def __init__(self, pool: "_Pool[Any]") -> None:
        self._pool = pool
        self._prefetched = True

    def begun(self) -> None:
        """Mark that the job no longer waits for room: another job may be taken from the stream. A second call does
        nothing."""
        self._pool.waiting -= self._prefetched
        self._prefetched = False
        self._pool.feed()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Within this block the job waits for something outside the pool, such as another process. It takes no room
        meanwhile, so that it delays only itself."""
        self.begun()
        self._pool.running -= 1
        self._pool.aside += 1
        self._pool.feed()
        try:
            yield
        finally:
            self._pool.running += 1
            self._pool.aside -= 1


async def work_through(
    jobs: Iterator[Job],
    work: Callable[[Job, Turn], Awaitable[None]],
    *,
    most: int,
    stop: asyncio.Event,
) -> None:
    """Run `work(job, turn)` on every job, `most` at once; it calls `turn.begun` when the job no longer waits for room,
    and only then are further ones taken. An iterator that is empty is asked again whenever a job is done: jobs may
    lead to more. Once `stop` is set, or one job raises, no further job is begun, and those in flight are finished:
    they are paid for. The first exception is raised when all are done."""
    async with asyncio.TaskGroup() as group:
        pool = _Pool(jobs, work, most, stop, group)
        pool.feed()
        await pool.done.wait()
    if pool.problems:
        raise pool.problems[0]


@dataclass
class _Pool(Generic[Job]):
    jobs: Iterator[Job]
    work: Callable[[Job, Turn], Awaitable[None]]
    most: int
    stop: asyncio.Event
    group: asyncio.TaskGroup
    running: int = 0
    waiting: int = 0
    aside: int = 0
    problems: list[Exception] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def feed(self) -> None:
        while self.waiting < PREFETCHED and self.running < self.most and not self.stop.is_set():
            try:
                job = next(self.jobs)
            except StopIteration:
                break
            except Exception as error:  # a stream that breaks ends like a job that raises
                self._fail(error)
                break
            self.running, self.waiting = self.running + 1, self.waiting + 1
            self.group.create_task(self._one(job))
        if not self.running and not self.aside:
            self.done.set()

    async def _one(self, job: Job) -> None:
        turn = Turn(self)
        try:
            await self.work(job, turn)
        except Exception as error:  # raised again by `work_through`, once the others have drained
            self._fail(error)
        finally:
            self.running -= 1
            turn.begun()

    def _fail(self, error: Exception) -> None:
        self.problems.append(error)
        self.stop.set()
