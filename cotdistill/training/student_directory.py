"""A student's directory: put together beside its place, published whole, with its manifest."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import artifacts
from cotdistill.artifacts import FileInfo, Manifest, outputs
from cotdistill.artifacts.outputs import Place
from cotdistill.errors import UsageError

SCRATCH = ("checkpoints", "tokens")
"""Folders of a work directory that are no part of the student."""

_RECEIPT = "run.json"
"""In a directory of work in progress: what it was begun with."""


def work_directory(output: Path) -> Path:
    return output.with_name(output.name + ".partial")


def places(output: Path, bad: Path | None) -> list[Place]:
    """The directories beside the output that a run makes, replaces and removes, and the file of `bad` rows: recognised
    by its lines, for no manifest lists it."""
    because = f"-o {output}"
    return [
        Place(work_directory(output), _is_work, because, directory=True),
        Place(_before(output), outputs.student("finetune"), because, directory=True),
        *([Place(bad, outputs.marked(b'"problem":'), "--skip-bad")] if bad else []),
    ]


def _is_work(directory: Path) -> bool:
    """A killed run's, by its receipt; one that died before it was written has nothing but a partial one."""
    names = {one.name for one in directory.iterdir()}
    return _RECEIPT in names or names <= {_RECEIPT + ".partial"}


def _before(output: Path) -> Path:
    """Where the student of an earlier run stands for the moment in which the new one takes its place."""
    return output.with_name(output.name + ".old")


def begin(output: Path, receipt: Mapping[str, Any]) -> Path:
    """An empty work directory that remembers the `receipt`."""
    work = work_directory(output)
    shutil.rmtree(work, ignore_errors=True)
    artifacts.write_whole(work / _RECEIPT, msgspec.json.encode(receipt))
    return work


def check_continues(output: Path, receipt: Mapping[str, Any]) -> Path:
    """The work directory of a killed run. Raises UsageError when that was begun with another receipt."""
    work = work_directory(output)
    begun = msgspec.json.decode((work / _RECEIPT).read_bytes())
    now = msgspec.json.decode(msgspec.json.encode(receipt))
    if changed := sorted(name for name in {*begun, *now} if begun.get(name) != now.get(name)):
        raise UsageError(f"{work}: was begun with another {changed[0]}; drop --resume to start afresh")
    return work


def publish(current: artifacts.Run, work: Path, counts: dict[str, int], results: dict[str, Any]) -> Manifest:
    """Manifest into the directory, then the directory into place: it is never there without."""
    for scratch in SCRATCH:
        shutil.rmtree(work / scratch, ignore_errors=True)
    (work / _RECEIPT).unlink()
    files = [file for file in work.rglob("*") if file.is_file() and file.name != "manifest.json"]
    files.sort(key=lambda file: (file.parent != work, file.suffix != ".safetensors", file))  # the weights first
    outputs = tuple(
        FileInfo(path=str(current.output / file.relative_to(work)), sha256=artifacts.sha256(file)) for file in files
    )
    manifest = current.summary(counts, outputs=outputs, results=results)
    current.write_manifest(manifest, work / "manifest.json")
    for file in files:
        _sync(file)
    old = _before(current.output)
    shutil.rmtree(old, ignore_errors=True)
    if current.output.exists():
        current.output.rename(old)
    work.rename(current.output)
    shutil.rmtree(old, ignore_errors=True)
    return manifest


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
