"""Checkpoints that can be trusted: each has a mark with the hashes of its files, written once they are on disk.

A run that is killed while it writes one leaves a directory without the mark; a power cut or a failing disk may spoil
files that were whole. Either is passed over for the one before it, which is kept for that.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from cotdistill import artifacts

FINISHED = "finished"
"""The mark: JSON of file names and hashes."""


def finish(checkpoint: Path) -> None:
    """Mark a checkpoint that is complete, with all of it on disk."""
    hashes = {}
    for path in _files(checkpoint):
        with path.open("rb") as file:
            hashes[str(path.relative_to(checkpoint))] = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
    artifacts.write_whole(checkpoint / FINISHED, msgspec.json.encode(hashes))


def newest(checkpoints: Path) -> tuple[Path | None, list[str]]:
    """The newest complete checkpoint, and the fault of each newer one."""
    finished = (mark.parent for mark in checkpoints.glob(f"checkpoint-*/{FINISHED}"))
    spoilt: list[str] = []
    for checkpoint in sorted(finished, key=step, reverse=True):
        problem = _problem(checkpoint)
        if problem is None:
            return checkpoint, spoilt
        spoilt.append(f"{checkpoint}: {problem}")
    return None, spoilt


def remove_newer(checkpoints: Path, last: Path) -> None:
    """Remove the newer ones, which are damaged or incomplete: they would count among the two that are kept, and push
    out `last`."""
    for path in checkpoints.glob("checkpoint-*"):
        if step(path) > step(last):
            shutil.rmtree(path, ignore_errors=True)


def step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _files(checkpoint: Path) -> Iterator[Path]:
    names = (FINISHED, f"{FINISHED}.partial")
    yield from (path for path in sorted(checkpoint.rglob("*")) if path.is_file() and path.name not in names)


def _problem(checkpoint: Path) -> str | None:
    try:
        hashes = msgspec.json.decode((checkpoint / FINISHED).read_bytes(), type=dict[str, str])
        if not hashes:
            return f"{FINISHED} names no file"
        for name, wanted in hashes.items():
            with (checkpoint / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != wanted:
                    return f"{name} is damaged"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"{FINISHED} is damaged"
    return None
