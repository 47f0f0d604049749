"""How much memory a run needs, and one line of advice when there is not enough."""

import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import torch

from cotdistill.errors import CotDistillError

_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "failed to allocate", "alloc_failed")


class OutOfMemoryError(CotDistillError):
    """Nothing is broken: less at once may fit."""


_KEPT_PER_LAYER = 34
"""Bytes that a layer keeps for the backward pass, for each token and each of its hidden numbers, at two bytes a
number; without attention's own scores, which no current kernel keeps. Korthikanti et al. 2022,
https://arxiv.org/abs/2205.05198, section 4.1."""

_CGROUPS = Path("/sys/fs/cgroup")

_ENOUGH = 0.8
"""The share of free memory that an estimate may fill: it is one."""


@contextmanager
def memory_explained(remedy: str) -> Iterator[None]:
    """Torch's several ways to say that memory ran out, as one line: raises OutOfMemoryError."""
    try:
        yield
        return
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error).lower() for words in _OUT_OF_MEMORY):
            raise
    # Not within the block: it would hold the frames whose tensors take the memory.
    raise OutOfMemoryError(f"out of memory: give a smaller {remedy}, or take a smaller student")


def needed_bytes(model: Any, trained: int, tokens: int, adapted: int = 0) -> int:
    """Weights, the `trained` bytes of gradients and the optimizer's state, and what a forward pass over `tokens`
    (padding included) keeps, every token scored. `adapted` are the input numbers of all layers that LoRA adapts: PEFT
    keeps a copy of each, in the adapter's four bytes, where the layer itself has fewer."""
    config = model.config.get_text_config()
    number = next(model.parameters()).element_size()
    layers = _KEPT_PER_LAYER * config.num_hidden_layers * config.hidden_size * tokens * number // 2
    scores = 3 * 4 * config.vocab_size * tokens  # logits, their log-softmax and their gradient
    copies = 4 * adapted * tokens if number < 4 else 0
    return int(model.get_memory_footprint() + trained + layers + copies + scores)


def free_bytes() -> int:
    """Of the GPU where there is one, else of this machine, or of the container that this process is in."""
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    return min(int(psutil.virtual_memory().available), *_left_to_groups(_CGROUPS, Path("/proc/self/cgroup")))


def _left_to_groups(root: Path, own: Path) -> Iterator[int]:
    """What the limits of a control group, and of those around it, leave: who exceeds one is killed without a word. Of
    version 2 alone. https://docs.kernel.org/admin-guide/cgroup-v2.html"""
    yield sys.maxsize
    with suppress(OSError, StopIteration):
        lines = own.read_text().splitlines()
        group = root / next(line for line in lines if line.startswith("0::")).removeprefix("0::").lstrip("/")
        for folder in (group, *group.parents[: len(group.relative_to(root).parts)]):
            with suppress(OSError, ValueError, KeyError):  # the outermost group has no limit, nor one that says "max"
                most = int((folder / "memory.max").read_text())
                kept = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                used = int((folder / "memory.current").read_text()) - int(kept["inactive_file"])  # a cache, given back
                yield max(0, most - used)


def held_bytes() -> int:
    """What this process has already of what is not free any more, on the device that `free_bytes` speaks of."""
    if torch.cuda.is_available():
        return int(torch.cuda.memory_allocated())
    return int(psutil.Process().memory_info().rss)


@contextmanager
def peak_bytes() -> Iterator[Callable[[], int]]:
    """The most memory held within the block, by tensors on a GPU where there is one, else by this whole process.

    The system's own mark is read, for looks now and then miss a peak on a busy machine. Where it cannot be set back,
    the peak is that of the process from its beginning."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        yield lambda: int(torch.cuda.max_memory_allocated())
        return
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # sets the mark back to what is held now: proc(5)
    unit = 1 if sys.platform == "darwin" else 1024
    yield lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def is_short(needed: int, loaded: int) -> bool:
    """Whether activations should be computed twice rather than kept. `loaded` bytes of the need are taken already."""
    return needed - loaded > _ENOUGH * free_bytes()
