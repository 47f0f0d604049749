"""One function over many items, on all cores, with the results in order."""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import msgspec

from cotdistill.errors import CotDistillError

Item = TypeVar("Item")
Result = TypeVar("Result", bound=msgspec.Struct)


_SIGNAL_S = 0.5
"""In which a signal that ended a worker reaches this process too."""


def cores() -> int:
    """How many this process may use; a container's or `taskset`'s share, not the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    make: Callable[..., Callable[[Item], Result]],
    arguments: tuple[Any, ...],
    items: Iterable[Item],
    kind: type[Result],
    workers: int,
) -> Iterator[Result]:
    """`make(*arguments)(item)` for every item, in their order. `make` runs once in each of `workers` processes; with
    one worker, all of it happens here. No more than a few items a worker are under way, so memory does not grow.

    Raises what the function raises, and CotDistillError when a process dies.
    """
    if workers <= 1:
        function = make(*arguments)
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, (make, arguments))
    others = set(multiprocessing.active_children())
    waiting: deque[Future[bytes]] = deque()
    decoder = msgspec.msgpack.Decoder(kind)
    try:
        for item in items:
            waiting.append(pool.submit(_one, item))
            if len(waiting) > 3 * workers:
                yield decoder.decode(waiting.popleft().result())
        while waiting:
            yield decoder.decode(waiting.popleft().result())
    except BrokenProcessPool:
        time.sleep(_SIGNAL_S)  # a signal to all processes of a service may reach a worker first
        raise CotDistillError(
            "a worker process died, most likely for want of memory; --workers 1 needs the least"
        ) from None
    except BaseException:  # Ctrl-C, SIGTERM, an error: what the workers still do is of no use
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_function: Any = None


def _begin(make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    global _function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends the pool
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    _function = make(*arguments)


def _end_with_the_parent() -> None:
    """A pool's processes wait for ever when their parent is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _one(item: Any) -> bytes:
    """msgpack, for pickling thousands of records costs more than looking at them."""
    return msgspec.msgpack.encode(_function(item))
