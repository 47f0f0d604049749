"""Python, processors, memory, GPU, the isolation of programs, disk space."""

import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from cotdistill import __version__
from cotdistill.doctor.finding import Finding
from cotdistill.sandbox import isolation as sandbox

GB = 2**30
LITTLE_BYTES = 2 * GB
"""Disk space that a student of 135 M weights with its checkpoints takes."""
NO_BYTES = 50 * 2**20


def findings() -> Iterator[Finding]:
    yield Finding("machine", "cotdistill", "ok", __version__)
    yield Finding("machine", "python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield Finding("machine", "processors", "ok", _processors())


def _processors() -> str:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return f"{usable} cores"
    return f"{usable} cores, {memory / GB:.1f} GB of memory"


def accelerator() -> Iterator[Finding]:
    """The GPU, as torch sees it."""
    card = shutil.which("nvidia-smi") is not None
    if importlib.util.find_spec("torch") is None:
        says = "there is one, and torch is not installed" if card else "not looked for: torch is not installed"
        yield Finding("machine", "gpu", "missing", says, "pip install 'cotdistill[train]'")
        return
    try:
        import torch

        cards = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
        bfloat16 = bool(cards) and torch.cuda.is_bf16_supported()
    except Exception as error:  # a torch that does not fit its drivers fails in many ways
        says = f"torch fails: {(str(error) or type(error).__name__).splitlines()[0]}"
        yield Finding("machine", "gpu", "broken", says, "install torch anew: https://pytorch.org/get-started/locally/")
        return
    for one in cards:
        speaks = "bfloat16" if bfloat16 else "no bfloat16"
        yield Finding("machine", "gpu", "ok", f"{one.name}, {one.total_memory / GB:.0f} GB, {speaks}")
    if not cards and card:
        says = f"there is one, and this torch ({torch.__version__}) does not see it"
        yield Finding(
            "machine", "gpu", "broken", says, "install torch for CUDA: https://pytorch.org/get-started/locally/"
        )
    elif not cards:
        advice = "tiny and smollm2-135m train on the processor; larger students want a GPU (docs/hardware.md)"
        yield Finding("machine", "gpu", "missing", "none", advice)


def isolation() -> Iterator[Finding]:
    """The isolation in which --verify code runs programs."""
    try:
        found = sandbox.find()
    except sandbox.NoIsolationError as error:
        yield Finding("machine", "isolation", "missing", error.says, error.advice)
        return
    yield Finding("machine", "isolation", "ok", f"{found.method}: --verify code can run programs")


def disk(places: Mapping[str, Path]) -> Iterator[Finding]:
    """Free space where files will be written; a place that does not exist yet is judged by its nearest parent."""
    for name, place in places.items():
        there = next(path for path in (place.absolute(), *place.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free
        says = f"{free / GB:.1f} GB free at {there}"
        if not os.access(there, os.W_OK):
            yield Finding(
                "disk", name, "broken", f"{there} cannot be written to", "choose another, or change its rights"
            )
        elif free < NO_BYTES:
            yield Finding("disk", name, "broken", says, "make room: answers that are paid for could not be kept")
        elif free < LITTLE_BYTES:
            yield Finding("disk", name, "missing", says, "a student and its checkpoints may need more")
        else:
            yield Finding("disk", name, "ok", says)
