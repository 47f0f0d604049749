"""Several processes that train one student together, on one machine or several, as `accelerate launch` starts them.

The first one reads, writes and speaks; the others only compute. What they must know of each other before and beside
the training (whether there is any, and whether one has failed) stands in the key-value store that torch's processes
find each other by: a barrier or a collective would hang where one of them never comes, or time out where the first one
reads a long file.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from typing import Literal, get_args

import torch
from torch.distributed.distributed_c10d import Store
from torch.distributed.rendezvous import rendezvous

from cotdistill.errors import CotDistillError

Word = Literal["train", "nothing", "failed"]
"""The first process's message to the others: train, nothing to train, or failed."""

BETWEEN_LOOKS_S = 0.5
DYING_S = 10.0
"""Seconds from another process's failure to the end of this one, which may wait for it in a collective, where no
exception and no signal reaches it."""

STOPPING_S = 120.0
"""For a last checkpoint, where the launcher is gone."""

_LAUNCHER = os.getppid() if "TORCHELASTIC_RUN_ID" in os.environ else None
"""The process of `accelerate launch` or torchrun that started this one."""

_START_S = 600
"""Seconds until all machines must be there."""


def count() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    return rank() == 0


def rank() -> int:
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """This process's number among those on this machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def shards_weights() -> bool:
    """Whether `accelerate launch` has each process hold a part of every weight (FSDP)."""
    return os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true", "yes", "on")


def say(word: Word) -> None:
    """Called by the first process to tell the others; only the first word counts."""
    with suppress(RuntimeError):  # the store is gone, with its launcher: what comes next will say so
        if count() > 1 and not _store().check([_key("word")]):
            _store().set(_key("word"), word)


def listen() -> Word:
    """Wait for the first process's word. Raises CotDistillError where that process is gone."""
    key = _key("word")
    try:
        store = _store()
        while not store.check([key]):
            time.sleep(BETWEEN_LOOKS_S)
        said = store.get(key).decode()
    except RuntimeError:  # DistNetworkError and its like: the store has ended with the process that held it
        raise CotDistillError(
            f"process {rank()}: the first process has ended before there was anything to do"
        ) from None
    words: tuple[Word, ...] = get_args(Word)
    return next(word for word in words if word == said)


@contextmanager
def leading() -> Iterator[None]:
    """The first process's part of a run: at its end the others are told, so that none waits for a training that will
    not come."""
    try:
        yield
    except BaseException:
        say("failed")
        raise
    say("nothing")


@contextmanager
def together() -> Iterator[None]:
    """While the processes train: where one fails, the others end too, instead of waiting for it.

    Raises CotDistillError where another process is gone without a word: killed, or its machine is."""
    if count() == 1:
        yield
        return
    over = threading.Event()
    threading.Thread(target=_watch, args=(over,), daemon=True).start()
    try:
        yield
    except BaseException as error:
        _report(error)
        if _is_of_another(error):
            raise CotDistillError(
                f"process {rank()}: another process of this training is gone, killed or with its machine "
                f"({str(error).splitlines()[0][:200]}). --resume continues from the last checkpoint"
            ) from error
        raise
    finally:
        over.set()


def leave() -> None:
    """Leave the process group: an open group would keep each process from ending."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def _is_of_another(error: BaseException) -> bool:
    """Whether the error is a broken connection to another process. On processors (gloo) that is a RuntimeError like any
    other."""
    found = isinstance(error, torch.distributed.DistError)
    return found or (isinstance(error, RuntimeError) and "gloo/transport" in str(error))


def _report(error: BaseException) -> None:
    with suppress(RuntimeError):  # the store is gone, and with it every process that would look
        _store().set(_key("failure"), f"process {rank()}: {type(error).__name__}: {error}"[:500])


def _watch(over: threading.Event) -> None:
    """End this process when another one has failed. The store's client must not be shared with the main thread."""
    store = _connected()
    while not over.wait(BETWEEN_LOOKS_S):
        if _LAUNCHER is not None and os.getppid() != _LAUNCHER:
            return _stop_without_launcher(over)
        try:
            failure = store.get(_key("failure")).decode() if store.check([_key("failure")]) else ""
        except RuntimeError:
            failure = "the first process has ended"
        if failure:
            if not over.wait(DYING_S):
                _write(f"stopped, for {failure}")
                os._exit(1)
            return


def _stop_without_launcher(over: threading.Event) -> None:
    """Nothing would end these processes any more, nor say how they end: they stop as after a signal, with a
    checkpoint. The store is gone where the launcher held it; the processes' own connections are not."""
    if is_first():
        _write("the launcher of these processes has ended; stopping after a checkpoint")
    os.kill(os.getpid(), signal.SIGTERM)
    if not over.wait(STOPPING_S):
        os._exit(1)


def _write(line: str) -> None:
    with suppress(OSError):
        sys.stderr.write(f"cotdistill: {line}\n")
        sys.stderr.flush()


@cache
def _store() -> Store:
    return _connected()


def _connected() -> Store:
    store, _, _ = next(iter(rendezvous("env://", timeout=timedelta(seconds=_START_S))))
    found: Store = store
    return found


def _key(name: str) -> str:
    """The key of this start: the store outlives a restart by the launcher."""
    return f"cotdistill/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}/{name}"
