"""The process that drives Ray, for `ray_data`: it starts or joins a Ray, hands out the tasks, and passes results on.

Each task is a read task of a Ray Data source, whose results are streamed as small blocks: no process holds more than a
few of them. What Ray writes goes to a log.
"""

import logging
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from cotdistill.errors import CotDistillError, UsageError

BLOCK_BYTES = 4_000_000
"""Of results, at most, that travel together."""

UNDER_WAY_BYTES = 256_000_000
"""Of results that wait for the command; the workers wait beyond it."""

OBJECT_STORE_BYTES = 512_000_000
"""Shared memory of a Ray that is started here; Ray's own default is a third of the machine's."""


LOG = "driver.log"

LEAVE_S = 10.0
"""For Ray to end its processes."""


AGAIN = 3
"""How often a task is done again whose process died; Ray's own default is for ever, also where it dies of the task."""


class Order(NamedTuple):
    """`make(*arguments)(item)` for every item. `address` is a cluster's; without one a Ray of this machine is started,
    with its files in `folder`, where the log is too."""

    make: Callable[..., Callable[[Any], Iterable[msgspec.Struct]]]
    arguments: tuple[Any, ...]
    items: Sequence[Any]
    workers: int | None
    address: str | None
    folder: Path


class Failure(NamedTuple):
    """`said`: by the work itself, or all is said with it. `not_started`: no Ray. `ray`: within Ray, or a fault of the
    work that nothing explains."""

    kind: Literal["said", "not_started", "ray"]
    error: CotDistillError


def drive(order: Order, connection: Connection) -> None:
    """Send the bytes of every result in order, then empty bytes, then None or the Failure that ended it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which ends this process
    threading.Thread(target=_leave_with_the_command, daemon=True).start()
    _write_to(order.folder / LOG)
    failure: Failure | None = None
    try:
        for result in _results(order):
            connection.send_bytes(result)
    except _NotStarted as error:
        failure = Failure("not_started", CotDistillError(str(error)))
    except CotDistillError as error:
        failure = Failure("said", error)
    except BrokenPipeError:  # the command has enough
        return
    except Exception as error:
        logging.exception("--engine ray")
        failure = Failure("ray", CotDistillError(f"--engine ray: {_in_a_line(error)}"))
    connection.send_bytes(b"")
    connection.send(failure)


def _leave_with_the_command() -> None:
    """Where the command is killed. Ray is asked first: without it, its workers can stay."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LEAVE_S)
        os._exit(1)


class _NotStarted(Exception):
    pass


def _write_to(log: Path) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)


def _results(order: Order) -> Iterator[Any]:
    """The bytes of every result. Raises what the tasks raise as CotDistillError, else Ray's own errors."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry; read at import
    os.environ.setdefault("RAY_task_oom_retries", str(AGAIN))  # of a task that its memory monitor ended
    try:
        import ray
        import ray.data
    except ImportError:
        raise UsageError("--engine ray: needs the extra ray; pip install 'cotdistill[ray]'") from None
    _start(order)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.execution_options.resource_limits = context.execution_options.resource_limits.copy(
        object_store_memory=UNDER_WAY_BYTES
    )
    context.target_max_block_size = BLOCK_BYTES
    context.enable_progress_bars = False
    try:
        source = _source(pickle.dumps((order.make, order.arguments)), order.items)
        at_once = order.workers and min(order.workers, len(order.items))
        rows = ray.data.read_datasource(
            source,
            concurrency=at_once,
            override_num_blocks=len(order.items),
            ray_remote_args={"max_retries": AGAIN},
        )
        for batch in rows.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1):
            for result, failure in zip(batch["result"], batch["failure"], strict=True):
                if failure.is_valid:
                    raise pickle.loads(failure.as_buffer())
                yield result.as_buffer()
    finally:
        ray.shutdown()


def _start(order: Order) -> None:
    """Raises CotDistillError where there is no such cluster, _NotStarted where this machine's Ray does not start."""
    import ray

    options: dict[str, Any] = {"address": order.address}
    if order.address is None:
        options = {"address": "local", "num_cpus": order.workers, "object_store_memory": OBJECT_STORE_BYTES}
        if "RAY_TMPDIR" not in os.environ:
            options["_temp_dir"] = str(order.folder)
    try:
        ray.init(include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False, **options)
    except Exception as error:  # Ray has no class for them: ValueError, ConnectionError, RuntimeError and others
        logging.exception("Ray")
        said = _in_a_line(error)
        if order.address is None:
            raise _NotStarted(
                f"--engine ray: Ray does not start on this machine: {said}. Take --engine local"
            ) from None
        raise no_cluster(order.address, said) from None


def no_cluster(address: str, said: str) -> CotDistillError:
    return CotDistillError(
        f"--engine ray: no cluster at RAY_ADDRESS={address}: {said}. Start it; set RAY_AUTH_MODE=token where it asks "
        "for a token; or unset RAY_ADDRESS for a Ray of this machine"
    )


def _in_a_line(error: BaseException) -> str:
    """Of an error's text the last line, which is where Ray puts what was raised in a worker."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[-1].rstrip(".")


def _source(making: bytes, items: Sequence[Any]) -> Any:
    import pyarrow
    from ray.data import Datasource, ReadTask
    from ray.data.block import BlockMetadata

    schema = pyarrow.schema([("result", pyarrow.large_binary()), ("failure", pyarrow.large_binary())])

    def task(item: Any) -> Any:
        handed = pickle.dumps(item)

        def read() -> Iterator[Any]:
            try:
                for result in _made(making)(pickle.loads(handed)):
                    yield pyarrow.table([[msgspec.msgpack.encode(result)], [None]], schema=schema)
            except CotDistillError as error:  # a result like others: in its place, and without Ray's words around it
                yield pyarrow.table([[None], [pickle.dumps(error)]], schema=schema)

        return ReadTask(read, BlockMetadata(num_rows=None, size_bytes=None, exec_stats=None, input_files=None), schema)

    class Tasks(Datasource):
        """The items, a read task each."""

        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[Any]:
            return [task(item) for item in items]

    return Tasks()


@lru_cache(1)
def _made(making: bytes) -> Callable[[Any], Iterable[Any]]:
    """The function of a process, which does many tasks."""
    make, arguments = pickle.loads(making)
    made: Callable[[Any], Iterable[Any]] = make(*arguments)
    return made
