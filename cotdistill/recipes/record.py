"""`run.json` in a run's directory: what the next run and the user need to know of it."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import __version__, artifacts
from cotdistill.artifacts.manifest import left_open
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.recipes import named
from cotdistill.recipes.steps import Step

NAME = "run.json"
_FREE = {
    "concurrency", "rpm", "input_tpm", "output_tpm", "timeout_s", "max_wait", "max_attempts", "batch", "max_cost",
    "cache", "no_cache", "workers", "engine", "threads", "allow_modified", "skip_bad", "resume", "checkpoint_minutes",
    "rows_at_once", "checkpointing", "show_rows",
}  # fmt: skip
"""Options that do not change a stage's result: a stage does not run again for them."""


class StageRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of one step. `did` is ran or reused, `why` the reason; `files` are hashes of what the options name
    and of the inputs. `guard_failed` says that the student of evaluate is worse, and on what. `states` are size and
    time of each output, by which an edit is noticed without reading it."""

    did: str
    why: str
    version: str
    options: dict[str, Any]
    files: dict[str, str]
    states: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict)
    complete: bool = True
    guard_failed: str | None = None
    seconds: float = 0.0
    spent_usd: str | None = None
    counts: dict[str, int] = msgspec.field(default_factory=dict)


class RunRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`recipe` is its path relative to the parent of the runs' folder, `directory` the name of this run's own, `number`
    counts the recipe's runs. `made` are the files of a complete run."""

    recipe: str
    directory: str = ""
    number: int = 0
    started_at: str
    ended_at: str | None = None
    complete: bool = False
    begun: str | None = None
    """The stage under way, which a killed run has."""
    stages: dict[str, StageRecord] = msgspec.field(default_factory=dict)
    changes: dict[str, Any] = msgspec.field(default_factory=dict)
    made: list[str] = msgspec.field(default_factory=list)

    @property
    def guard_failed(self) -> bool:
        """Whether the student is worse than its opponent: `latest` then stays at the run before."""
        return any(stage.guard_failed for stage in self.stages.values())


def read(directory: Path) -> RunRecord | None:
    try:
        return msgspec.json.decode((directory / NAME).read_bytes(), type=RunRecord)
    except (OSError, msgspec.DecodeError):
        return None


def save(directory: Path, record: RunRecord) -> None:
    content = msgspec.json.format(msgspec.json.encode(record), indent=2)
    artifacts.write_whole(directory / NAME, content + b"\n")


def about(options: Any, inputs: Mapping[str, Path | str]) -> StageRecord:
    """What decides whether a stage runs again: its options, the content of the files they name, its inputs."""
    chosen = {name: value for name, value in asdict(options).items() if name not in _FREE}
    chosen = msgspec.json.decode(msgspec.json.encode(chosen))  # lists for tuples, as a record has them
    files = {name: path if isinstance(path, str) else _sha256(path) for name, path in inputs.items()}
    return StageRecord(did="", why="", version=__version__, options=chosen, files=files | named.states(options))


def _sha256(path: Path) -> str:
    """The hash of a file, or of all files in a folder of documents."""
    if not path.is_dir():
        return artifacts.sha256(path)
    inside = sorted(one for one in path.rglob("*") if one.is_file())
    return hashlib.sha256("".join(f"{one}:{artifacts.sha256(one)}\n" for one in inside).encode()).hexdigest()


def difference(now: StageRecord, before: StageRecord) -> str | None:
    """Why a stage must run again, or None."""
    if not before.complete:
        return f"last time {left_open(before.counts)}"
    if now.version != before.version:
        return f"cotdistill {before.version} made it, this is {now.version}"
    for name, value in now.options.items():
        if value != before.options.get(name):
            return f"{name} is {value!r}, was {before.options.get(name)!r}"
    changed = [name for name in {**now.files, **before.files} if now.files.get(name) != before.files.get(name)]
    return f"{changed[0]} changed" if changed else None


def link(step: Step, source: Path, target: Path) -> None:
    """Take over a step's files from another run, as hard links where the file system can. They replace the files that
    are there."""
    for name in _outputs(step, target):
        (target / name).unlink(missing_ok=True)
    for path in source.glob(f"{step.stem}*"):
        if path.name.split(".")[0] != step.stem:
            continue
        for file in [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]:
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            try:
                os.link(file, place)
            except OSError:
                shutil.copy2(file, place)


def states(step: Step, directory: Path) -> dict[str, tuple[int, int]]:
    """Size and modification time of each file that a step wrote, its manifest included. Hard links of a file share
    both."""
    found = {}
    for name in (*_outputs(step, directory), _manifest_name(step)):
        with suppress(FileNotFoundError):  # also of a run under way, which `status` looks at
            state = (directory / name).stat()
            found[name] = (state.st_size, state.st_mtime_ns)
    return found


def damage(step: Step, directory: Path, known: StageRecord) -> str | None:
    """Why a step's files are no longer those that it wrote, or None. Only files of another size or time are read."""
    try:
        return _damage(step, directory, known)
    except UsageError:  # removed while it was looked at
        return f"{directory.name} is gone"


def _damage(step: Step, directory: Path, known: StageRecord) -> str | None:
    outputs, now = _outputs(step, directory), states(step, directory)
    manifest = _manifest_name(step)
    if not outputs:
        return f"{manifest} is gone, or holds no outputs"
    trusted = manifest in now and now[manifest] == known.states.get(manifest)
    for name, sha256 in outputs.items():
        if name not in now:
            return f"{name} is gone"
        unchanged = trusted and now[name] == known.states.get(name)
        if not unchanged and artifacts.sha256(directory / name) != sha256:
            return f"{name} was edited, or {manifest}"
    return None


def _outputs(step: Step, directory: Path) -> dict[str, str]:
    """The files that a step wrote, by their paths in the run's directory, with their hashes."""
    manifest = manifest_of(directory, step)
    if manifest is None or not manifest.outputs:
        return {}
    paths = {Path(one.path): one.sha256 for one in manifest.outputs}
    top = min((path.parent for path in paths), key=lambda path: len(path.parts))  # where it lay when it was written
    place = Path(step.stem) if step.stage == "finetune" else Path()
    return {str(place / path.relative_to(top)): sha256 for path, sha256 in paths.items()}


def manifest_of(directory: Path | None, step: Step) -> artifacts.Manifest | None:
    if directory is None:
        return None
    path = directory / _manifest_name(step)
    try:
        return artifacts.read_manifest(path) if path.is_file() else None
    except CotDistillError:  # edited until it is none: as good as gone
        return None


def _manifest_name(step: Step) -> str:
    return f"{step.stem}/manifest.json" if step.stage == "finetune" else f"{step.stem}.manifest.json"


def made(step: Step, what: str, directory: Path) -> dict[str, str]:
    """What a step made, as the input of another: the hashes in its manifest, for a student those of each file."""
    manifest = manifest_of(directory, step)
    if manifest is None:
        return {}
    found = {Path(one.path).name: one.sha256 for one in manifest.outputs}
    return found if step.stage == "finetune" else {name: sha for name, sha in found.items() if name == step.file(what)}
