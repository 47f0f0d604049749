"""One function over many tasks on Ray Data, with their results in order: for those who outgrow one machine.

What `processes.in_order` does on the cores of this machine, this does on a Ray cluster (RAY_ADDRESS) or on a local Ray.
Every node must see the input under the same path, and have cotdistill installed.

Ray is driven by a process of its own: it ends the process that it is in, without a word to Python, where one of its own
dies; it takes that process's signals, and writes to its terminal.
"""

import multiprocessing
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cotdistill.artifacts.scratch import scratch
from cotdistill.errors import CotDistillError
from cotdistill.parallel.ray_driver import LEAVE_S, LOG, Failure, Order, drive, no_cluster

Item = TypeVar("Item")
Result = TypeVar("Result", bound=msgspec.Struct)

STARTS = 2
"""Attempts at a Ray of this machine, which takes itself for broken where a busy machine needs more than 30 s."""

KNOCK_S = 10.0
"""Until a cluster is taken for one that is not there."""

_SOCKET_PATH, _WITHIN = 107, 90
"""The longest name of a socket, and what scratch and Ray add to their directory's."""


def in_order(
    make: Callable[..., Callable[[Item], Iterable[Result]]],
    arguments: tuple[Any, ...],
    items: Sequence[Item],
    kind: type[Result],
    workers: int | None,
) -> Iterator[Result]:
    """All that `make(*arguments)(item)` yields for every item, in their order. An item is a task: few and small ones,
    such as ranges of a file. `make` is called once in every process. A task whose process dies is done again.

    Raises UsageError without the ray extra, CotDistillError when a task fails or Ray does."""
    if not items:
        return
    address = _address()
    decoder = msgspec.msgpack.Decoder(kind)
    for attempt in range(STARTS):
        with scratch("ray", _short_enough()) as folder:
            failure = yield from _driven(Order(make, arguments, items, workers, address, folder), decoder)
            if failure is not None and failure.kind == "said":
                raise failure.error
            if failure is not None and (failure.kind == "ray" or attempt == STARTS - 1):
                raise CotDistillError(f"{failure.error}; Ray's log is {_kept(folder)}")
        if failure is None:
            return


def _driven(order: Order, decoder: "msgspec.msgpack.Decoder[Result]") -> Generator[Result, None, Failure | None]:
    """The results of a driver that is started for them, and what ended it too early."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=drive, args=(order, there), name="ray driver")
    done = False
    try:
        process.start()
        there.close()  # or the driver's end would not be seen
        while result := here.recv_bytes():
            yield decoder.decode(result)
        failure: Failure | None = here.recv()
        done = True
        return failure
    except (EOFError, OSError):
        process.join()
        return Failure("ray", CotDistillError(f"--engine ray: Ray ended {_how(process.exitcode)}"))
    finally:
        here.close()
        _end(process, done)


def _end(process: BaseProcess, done: bool) -> None:
    if process.pid is None:  # it was never started
        return
    if not done:
        process.terminate()
    process.join(2 * LEAVE_S)  # it ends itself before
    process.kill()
    process.join()


def _kept(folder: Path) -> Path:
    """A copy of what Ray's driver and its node wrote, for the directory goes."""
    descriptor, name = tempfile.mkstemp(prefix="cotdistill-ray-", suffix=".log")
    with os.fdopen(descriptor, "wb") as copy:
        for log in (folder / LOG, *sorted(folder.glob("session_latest/logs/raylet.*"))):
            if log.exists():
                copy.write(log.read_bytes())
    return Path(name)


def _address() -> str | None:
    """Of the Ray that this program is connected to already, or of the cluster that the environment names.

    Raises CotDistillError where nothing listens there; Ray itself asks again for minutes."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        return str(ray.get_runtime_context().gcs_address)
    address = os.environ.get("RAY_ADDRESS")
    if address in (None, "", "local"):
        return None
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()
        except OSError as error:
            raise no_cluster(address, str(error)) from None
    return address


def _short_enough() -> Path:
    """Where a directory can be made that Ray's sockets fit into."""
    place = Path(tempfile.gettempdir())
    return place if len(os.fsencode(place)) + _WITHIN <= _SOCKET_PATH else Path("/tmp")


def _how(code: int | None) -> str:
    return f"by signal {-code}" if code is not None and code < 0 else f"with code {code}"
