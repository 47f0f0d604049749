"""A student's directory: put together beside its place, published whole, with its manifest."""

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import artifacts
from cotdistill.artifacts import FileInfo, Manifest, outputs
from cotdistill.artifacts.outputs import Place
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.training import checkpoints, distributed, earlier
from cotdistill.training.earlier import RECEIPT

SCRATCH = ("checkpoints", "tokens", earlier.NAME)
"""Folders of a work directory that are no part of the student."""

FREE_TO_CHANGE = {
    "resume", "dry_run", "threads", "rows_at_once", "checkpointing", "checkpoint_minutes", "allow_modified", "skip_bad",
    "show_rows", "verify", "concurrency", "cache", "max_cost", "price_in", "base_url",
}  # fmt: skip
"""Options that a resumed run may set anew: they change no weight. A server may have moved."""

_LITTLE_BYTES = 1 << 20

_MANIFEST = "manifest.json"


AFRESH = "drop --resume to start afresh"
"""What a person does, and a recipe by itself."""


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
    """A killed run's, by its receipt. One that died before it was written has nothing but a partial one; one that died
    after it was removed has the manifest of a student, and what that lists."""
    names = {one.name for one in directory.iterdir()}
    return RECEIPT in names or names <= {RECEIPT + ".partial"} or outputs.student("finetune")(directory)


def _clear(directory: Path, keep: str | None = None) -> None:
    """Remove it, or all but the folder `keep`; last the file that says whose it is: a run that is killed in between
    leaves no riddle."""
    if directory.is_dir():
        for one in directory.iterdir():
            if one.is_dir() and not one.is_symlink():
                if one.name != keep:
                    shutil.rmtree(one, ignore_errors=True)
            elif one.name not in (RECEIPT, _MANIFEST):
                with suppress(OSError):
                    one.unlink()
    if keep is None:
        shutil.rmtree(directory, ignore_errors=True)


def _before(output: Path) -> Path:
    """Where the student of an earlier run stands for the moment in which the new one takes its place."""
    return output.with_name(output.name + ".old")


def same(current: artifacts.Run) -> Manifest | None:
    """The student that stands there, where it was made of the same inputs with the same options: training it again
    would give the same one. None where it was not, or where its base or its teacher is a directory that no manifest
    tells apart."""
    place = current.output / "manifest.json"
    named = (current.options[name] for name in ("student", "teacher"))
    models = [Path(str(name).removeprefix("local:")) for name in named if name is not None]
    unknown = any(model.is_dir() and not (model / "manifest.json").is_file() for model in models)
    if not place.is_file() or unknown:
        return None
    known = artifacts.read_manifest(place)
    now = current.summary(counts={})

    def decisive(manifest: Manifest) -> Any:
        options = {name: value for name, value in manifest.options.items() if name not in FREE_TO_CHANGE}
        hashes = [(one.option, one.sha256) for one in manifest.inputs]
        return msgspec.to_builtins((options, hashes, manifest.version, manifest.packages))

    if decisive(known) != decisive(now):
        current.notes.append(f"it took the place of the student of {known.ended_at}")
        return None
    note = f"nothing new: it was trained on these rows with these options ({known.ended_at}); delete it to train again"
    return msgspec.structs.replace(known, notes=(*known.notes, note))


@contextmanager
def full_disk_explained(work: Path) -> Iterator[None]:
    """What torch, safetensors and the system say where the disk is full, in one line that names the directory. A work
    directory without a checkpoint to continue from is removed by the first process, so that it does not keep the disk
    full."""
    try:
        yield
    except Exception as error:  # safetensors has an error of its own
        if not _is_full(error, work):
            raise
        resumable = checkpoints.newest(work / "checkpoints")[0] is not None or earlier.step(work) is not None
        if not resumable and distributed.is_first():
            _clear(work)
        rest = "; --resume continues once there is room" if resumable else "; nothing of it is left behind"
        raise CotDistillError(f"{work}: cannot write it: no space left on the disk{rest}") from error


def _is_full(error: Exception, work: Path) -> bool:
    """torch does not say why it could not write."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    said = str(error)
    may_be = "writ" in said or "inline_container" in said  # the latter is torch's writer, of a file that it closes
    return "No space left" in said or (may_be and shutil.disk_usage(work.parent).free < _LITTLE_BYTES)


def begin(output: Path, receipt: Mapping[str, Any]) -> Path:
    """A work directory that remembers the `receipt`, empty but for what `earlier` has put aside."""
    work = work_directory(output)
    _clear(work, keep=None if earlier.step(work) is None else earlier.NAME)
    artifacts.write_whole(work / RECEIPT, msgspec.json.encode(receipt))
    return work


def check_continues(output: Path, receipt: Mapping[str, Any]) -> Path:
    """The work directory of a killed run. Raises UsageError when that was begun with another receipt."""
    work = work_directory(output)
    begun = msgspec.json.decode((work / RECEIPT).read_bytes())
    now = msgspec.json.decode(msgspec.json.encode(receipt))
    if changed := sorted(name for name in {*begun, *now} if begun.get(name) != now.get(name)):
        raise UsageError(f"{work}: was begun with another {changed[0]}; {AFRESH}")
    return work


def publish(current: artifacts.Run, work: Path, counts: dict[str, int], results: dict[str, Any]) -> Manifest:
    """Manifest into the directory, then the directory into place: it is never there without."""
    for scratch in SCRATCH:
        shutil.rmtree(work / scratch, ignore_errors=True)
    files = [file for file in work.rglob("*") if file.is_file() and file.name not in (_MANIFEST, RECEIPT)]
    files.sort(key=lambda file: (file.parent != work, file.suffix != ".safetensors", file))  # the weights first
    made = tuple(
        FileInfo(path=str(current.output / file.relative_to(work)), sha256=artifacts.sha256(file)) for file in files
    )
    manifest = current.summary(counts=counts, outputs=made, results=results)
    current.write_manifest(manifest, work / _MANIFEST)
    for file in files:
        _sync(file)
    old = _before(current.output)
    _clear(old)
    if current.output.exists():
        current.output.rename(old)
    (work / RECEIPT).unlink()
    work.rename(current.output)
    _clear(old)
    return manifest


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
