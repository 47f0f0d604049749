"""The checkpoints of a run that was stopped, where its command is given again without --resume.

Hours of training stand in them, so they are kept until the new run has saved a checkpoint by itself. What a signal
makes it save does not count: whoever stops it at once may do so to continue the other one.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from cotdistill.training import checkpoints

NAME = "earlier"
"""A folder in the directory of work in progress: `checkpoints`, and the receipt that they were made with."""

RECEIPT = "run.json"
"""In a directory of work in progress: what it was begun with."""


def set_aside(work: Path) -> int | None:
    """Put a stopped run's checkpoints aside. Returns the step of the newest whole one, None where there is none; what
    stands aside already is kept then."""
    newest, _ = checkpoints.newest(work / "checkpoints")
    if newest is None:
        return step(work)
    shutil.rmtree(work / NAME, ignore_errors=True)
    (work / NAME).mkdir()
    shutil.copyfile(work / RECEIPT, work / NAME / RECEIPT)
    (work / "checkpoints").rename(work / NAME / "checkpoints")
    return checkpoints.step(newest)


def step(work: Path) -> int | None:
    """Of the newest whole checkpoint that stands aside."""
    newest, _ = checkpoints.newest(work / NAME / "checkpoints")
    return None if newest is None else checkpoints.step(newest)


def take_back(work: Path, receipt: Mapping[str, Any]) -> None:
    """Where what stands aside was made with this receipt, and is further than the run that followed."""
    aside, (newest, _) = step(work), checkpoints.newest(work / "checkpoints")
    if aside is None or (newest is not None and checkpoints.step(newest) >= aside):
        return
    begun = (work / NAME / RECEIPT).read_bytes()
    if msgspec.json.decode(begun) != msgspec.json.decode(msgspec.json.encode(receipt)):
        return
    shutil.rmtree(work / "checkpoints", ignore_errors=True)
    (work / NAME / RECEIPT).replace(work / RECEIPT)
    (work / NAME / "checkpoints").rename(work / "checkpoints")
    drop(work)


def drop(work: Path) -> None:
    shutil.rmtree(work / NAME, ignore_errors=True)
