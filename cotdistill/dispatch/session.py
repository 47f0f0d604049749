"""What everything that asks a teacher in one run shares: event loop, store, claims, budget, and the signal to stop."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager
from contextvars import copy_context
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any, Self, TypeVar

from cotdistill.artifacts.own_store import kept_from_going
from cotdistill.dispatch.budget import Budget
from cotdistill.dispatch.claims import Claims
from cotdistill.dispatch.limiter import FIRST_AT_A_PROVIDER, FIRST_IN_FLIGHT, Limiter
from cotdistill.dispatch.payer import PAYER
from cotdistill.dispatch.stored import StoredTeacher, Terms
from cotdistill.dispatch.waits import Waits
from cotdistill.pricing import total
from cotdistill.progress import Progress, Silent
from cotdistill.providers.types import Teacher
from cotdistill.store.answers import Store
from cotdistill.wording import counted, usd

T = TypeVar("T")


class Session:
    """Opens each teacher of a run once, in an event loop of its own. A stage uses it from the main thread, verifiers
    from any other.

    The first Ctrl-C or SIGTERM stops the run: requests in flight are finished and kept. The second one ends the
    program.
    """

    def __init__(
        self, store: Store | None, *, budget: Budget | None = None, progress: Progress | None = None, stage: str = ""
    ) -> None:
        """Without a `store` nothing in this run is paid for."""
        self.store, self.budget, self.stage, self.payer = store, budget, stage, PAYER.get()
        self.progress = progress or Silent()
        self.waits = Waits(self.progress.note)
        self.stop = asyncio.Event()
        self.interrupted = self._signalled = False
        """Whether a signal came."""
        self.claims: Claims | None = None
        self._enough: set[asyncio.Event] = set()
        self._limiters: dict[object, Limiter] = {}
        self._opened: list[StoredTeacher] = []
        self._asked: list[StoredTeacher] = []
        self._running: set[Future[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = threading.Lock()
        self._held = ExitStack()

    @classmethod
    @contextmanager
    def on(
        cls,
        store: Path | None,
        max_cost: float | None,
        month: Budget | None,
        progress: Progress,
        stage: str,
    ) -> "Iterator[Session]":
        """A session with the store at this path, open until its end, within both caps."""
        budget = Budget.within(month, max_cost)
        with ExitStack() as held:
            opened = None if store is None else held.enter_context(closing(Store(store)))
            yield held.enter_context(cls(opened, budget=budget, progress=progress, stage=stage))

    def __enter__(self) -> Self:
        if self.store is not None:
            alone = self._held.enter_context(kept_from_going(self.store.path))
            self.claims = self._held.enter_context(Claims(self.store.path, alone=alone))
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None:
            for future in list(self._running):
                future.cancel()  # the same for those that other threads wait for
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()
        self._held.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine in the session's event loop and return its result. Call it from any other thread than the
        loop's."""
        future = asyncio.run_coroutine_threadsafe(work, self._started())
        self._running.add(future)
        try:
            with self._signals():
                return future.result()
        except BaseException:
            future.cancel()  # after a second Ctrl-C: nothing waits for it any more
            raise
        finally:
            self._running.discard(future)

    def open(self, teacher: Teacher, terms: Terms, *, free: bool = False) -> StoredTeacher:
        """Open the teacher until the session ends. A `free` teacher is neither stored nor charged."""
        stored = StoredTeacher(self, teacher, terms, free=free)
        if engine := getattr(teacher, "engine", ""):
            self.progress.note(f"starting {engine} for {teacher.model}")  # a large model takes minutes
        self.run(stored.__aenter__())
        self._opened.append(stored)
        self._asked.append(stored)
        return stored

    @contextmanager
    def opened(self, teacher: Teacher, terms: Terms, *, free: bool = False) -> Iterator[StoredTeacher]:
        """Open the teacher for a block: a local model then frees its memory at the end of the block."""
        stored = self.open(teacher, terms, free=free)
        yield stored  # after an error the session closes it
        self._opened.remove(stored)
        self.run(stored.__aexit__(None, None, None))

    def limiter(self, teacher: Teacher, terms: Terms) -> Limiter:
        """The limiter of everyone who asks the same model of the same server on the same terms, because they share its
        limits."""
        limits, name = terms.limits, (teacher.provider, teacher.base_url, teacher.model, terms.limits)
        if name not in self._limiters:
            self._limiters[name] = Limiter(
                self.stop,
                most=limits.concurrency,
                first=limits.concurrency if limits.at_once else _first_in_flight(teacher.base_url),
                rpm=limits.rpm,
                input_tpm=limits.input_tpm,
                output_tpm=limits.output_tpm,
                timeout_s=terms.timeout_s,
            )
            self.waits.reasons.append(self._limiters[name].stalled)
        return self._limiters[name]

    @contextmanager
    def stopping(self, enough: asyncio.Event) -> Iterator[None]:
        """A block in which stopping the session also sets `enough`."""
        self._enough.add(enough)
        if self.stop.is_set():
            enough.set()
        try:
            yield
        finally:
            self._enough.discard(enough)

    def stop_all(self) -> None:
        """Send no new request in this session. Call it in the loop's thread."""
        self.stop.set()
        for enough in self._enough:
            enough.set()

    def resume(self) -> None:
        """Allow requests again after an error that had ended the asking; never after a signal."""
        if not self.interrupted:
            self._started().call_soon_threadsafe(self.stop.clear)

    @property
    def in_flight(self) -> int:
        return sum(limiter.in_flight for limiter in self._limiters.values())

    @property
    def spent(self) -> Decimal | None:
        """USD that this session spent with all its teachers; None where a price is unknown."""
        return total(stored.spent for stored in self._asked)

    def notes(self) -> list[str]:
        """What was paid, or may have been paid, for attempts without an answer."""
        attempts = sum(stored.unanswered for stored in self._asked)
        costs = [stored.unanswered_usd for stored in self._asked]
        if not attempts:
            return []
        total = sum((cost for cost in costs if cost is not None), Decimal(0))
        most = "" if None in costs else f": at most {usd(total)}, which the cap counts and spent_usd does not"
        return [f"{counted(attempts, 'attempt')} got no answer and may have been billed all the same{most}"]

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                ready = threading.Event()
                self._thread = threading.Thread(
                    target=copy_context().run, args=(self._serve, ready), name="teachers", daemon=True
                )
                self._thread.start()
                ready.wait()
        assert self._loop is not None
        return self._loop

    def _serve(self, ready: threading.Event) -> None:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            self._loop = runner.get_loop()
            runner.run(self._live(ready))

    async def _live(self, ready: threading.Event) -> None:
        self._closing = asyncio.Event()
        watch = asyncio.create_task(self.waits.watch())
        ready.set()
        await self._closing.wait()
        watch.cancel()
        for stored in reversed(self._opened):
            await stored.__aexit__(None, None, None)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Only the main thread may handle signals; a stage in another thread is stopped by its owner."""
        if self._signalled or threading.current_thread() is not threading.main_thread():
            yield  # after the first signal the second one must not meet this handler again
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        def first(number: int, frame: FrameType | None) -> None:
            self._signalled = True
            restore()
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._interrupt)

        for number in before:
            signal.signal(number, first)
        try:
            yield
        finally:
            restore()

    def _interrupt(self) -> None:
        self.interrupted = True
        self.stop_all()
        self.progress.note(
            f"stopping: waiting for {counted(self.in_flight, 'answer')} in flight; Ctrl-C again leaves at once"
            if self.in_flight
            else "stopping"
        )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """libuv's event loop, which takes a seventh less CPU than Python's; None where uvloop is not installed
    (Windows)."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return None
    return new_event_loop


def _first_in_flight(base_url: str) -> int:
    """A provider takes some dozens of requests at once; a server of the user's own may have a single slot."""
    return FIRST_AT_A_PROVIDER if base_url.startswith("https://") else FIRST_IN_FLIGHT
