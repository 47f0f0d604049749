"""One function over many items on Ray Data, with the results in order: for those who outgrow one machine.

What `processes.in_order` does on the cores of this machine, this does on a Ray cluster (RAY_ADDRESS) or on a local Ray.
Every node must see the input under the same path, and have cotdistill installed.
"""

import logging
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from cotdistill.errors import CotDistillError, UsageError

Item = TypeVar("Item")
Result = TypeVar("Result", bound=msgspec.Struct)

ITEMS_A_TASK = 4


class _Worker:
    """Lives in a Ray actor: makes the function once, then works on what it is handed."""

    def __init__(self, make: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...]) -> None:
        self._function = make(*arguments)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"result": msgspec.msgpack.encode(self._function(pickle.loads(row["item"])))}


def in_order(
    make: Callable[..., Callable[[Item], Result]],
    arguments: tuple[Any, ...],
    items: Iterable[Item],
    kind: type[Result],
    workers: int | None,
) -> Iterator[Result]:
    """`make(*arguments)(item)` for every item, in their order. The items themselves should be small: they are listed.

    Raises UsageError without the ray extra, CotDistillError when a worker fails."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry; read at import
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # of a warning about GPUs
    try:
        import ray
        import ray.data
    except ImportError:
        raise UsageError("--engine ray: needs the extra ray; pip install 'cotdistill[ray]'") from None
    listed = [{"item": pickle.dumps(item)} for item in items]
    if not listed:
        return
    ours = not ray.is_initialized()
    if ours:
        ray.init(include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    cores = int(ray.cluster_resources().get("CPU", 1))
    decoder = msgspec.msgpack.Decoder(kind)
    try:
        rows = ray.data.from_items(listed, override_num_blocks=-(-len(listed) // ITEMS_A_TASK))
        done = rows.map(_Worker, fn_constructor_args=(make, arguments), concurrency=min(workers or cores, len(listed)))
        for row in done.iter_rows():
            yield decoder.decode(row["result"])
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None) or error
        if isinstance(cause, CotDistillError):
            raise cause from None
        raise CotDistillError(f"--engine ray: a worker failed: {str(cause).strip().splitlines()[-1]}") from error
    finally:
        if ours:
            ray.shutdown()
