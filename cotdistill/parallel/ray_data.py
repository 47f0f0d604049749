"""One function over many tasks on Ray Data, with their results in order: for those who outgrow one machine.

What `processes.in_order` does on the cores of this machine, this does on a Ray cluster (RAY_ADDRESS) or on a local Ray.
Each task is a read task of a Ray Data source, whose results are streamed as small blocks: no process holds more than a
few of them. Every node must see the input under the same path, and have cotdistill installed.
"""

import logging
import os
import pickle
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from cotdistill.errors import CotDistillError, UsageError

Item = TypeVar("Item")
Result = TypeVar("Result", bound=msgspec.Struct)

BLOCK_BYTES = 4_000_000
"""Of results, at most, that travel together."""

UNDER_WAY_BYTES = 256_000_000
"""Of results that wait for this process; the workers wait beyond it."""

OBJECT_STORE_BYTES = 512_000_000
"""Shared memory of a Ray that is started here; Ray's own default is a third of the machine's."""

KNOCK_S = 10.0
"""Until a cluster is taken for one that is not there."""


def in_order(
    make: Callable[..., Callable[[Item], Iterable[Result]]],
    arguments: tuple[Any, ...],
    items: Sequence[Item],
    kind: type[Result],
    workers: int | None,
) -> Iterator[Result]:
    """All that `make(*arguments)(item)` yields for every item, in their order. An item is a task: few and small ones,
    such as ranges of a file. `make` is called once in every process. A task whose process dies is done again.

    Raises UsageError without the ray extra, CotDistillError when a task fails."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry; read at import
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # of a warning about GPUs
    try:
        import ray
        import ray.data
    except ImportError:
        raise UsageError("--engine ray: needs the extra ray; pip install 'cotdistill[ray]'") from None
    if not items:
        return
    ours = not ray.is_initialized()
    if ours:
        _start(workers)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.execution_options.resource_limits = context.execution_options.resource_limits.copy(
        object_store_memory=UNDER_WAY_BYTES
    )
    context.target_max_block_size = BLOCK_BYTES
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # or it tells its plan on the terminal
    decoder = msgspec.msgpack.Decoder(kind)
    try:
        source = _source(pickle.dumps((make, arguments)), items)
        at_once = workers and min(workers, len(items))  # or it warns on the terminal
        rows = ray.data.read_datasource(source, concurrency=at_once, override_num_blocks=len(items))
        for batch in rows.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1):
            for result in batch["result"]:
                yield decoder.decode(result.as_buffer())
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None) or error
        if isinstance(cause, CotDistillError):
            raise cause from None
        raise CotDistillError(f"--engine ray: a worker failed: {str(cause).strip().splitlines()[-1]}") from error
    finally:
        if ours:
            ray.shutdown()


def _start(workers: int | None) -> None:
    """Raises CotDistillError where there is no Ray to be had."""
    import ray

    address = os.environ.get("RAY_ADDRESS")
    here: dict[str, Any] = {"num_cpus": workers, "object_store_memory": OBJECT_STORE_BYTES}
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if address:
            _knock(address)
        ray.init(include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False, **({} if address else here))
    except Exception as error:  # Ray has no class for them: ValueError, ConnectionError, RuntimeError and others
        said = (str(error).strip().splitlines() or [type(error).__name__])[-1].rstrip(".")
        if address:
            raise CotDistillError(
                f"--engine ray: no cluster at RAY_ADDRESS={address}: {said}. Start it; set RAY_AUTH_MODE=token where "
                "it asks for a token; or unset RAY_ADDRESS for a Ray of this machine"
            ) from error
        raise CotDistillError(
            f"--engine ray: Ray does not start on this machine: {said}. Take --engine local"
        ) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)  # Ray's own would end the process with a dump of its stack


def _knock(address: str) -> None:
    """Raises OSError where nothing listens; Ray itself asks again for minutes, deaf to signals."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()


def _source(making: bytes, items: Sequence[Any]) -> Any:
    import pyarrow
    from ray.data import Datasource, ReadTask
    from ray.data.block import BlockMetadata

    schema = pyarrow.schema([("result", pyarrow.large_binary())])

    def task(item: Any) -> Any:
        handed = pickle.dumps(item)

        def read() -> Iterator[Any]:
            for result in _made(making)(pickle.loads(handed)):
                yield pyarrow.table([[msgspec.msgpack.encode(result)]], schema=schema)

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
