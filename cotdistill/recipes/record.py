"""`run.json` in the directory of a recipe's run: what the next run and a person need to know of it."""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import __version__, artifacts
from cotdistill.artifacts import json_lines
from cotdistill.artifacts.together import Id, OfResponse
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.recipes import named
from cotdistill.recipes.steps import Step

NAME = "run.json"
_FREE = {
    "concurrency", "rpm", "input_tpm", "output_tpm", "timeout_s", "max_wait", "max_attempts", "batch", "max_cost",
    "cache", "no_cache", "workers", "engine", "threads", "allow_modified", "skip_bad", "resume", "checkpoint_minutes",
    "rows_at_once", "checkpointing", "show_rows",
}  # fmt: skip
"""Options that say how, not what: a change of theirs makes no stage run again."""


class StageRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`did` is ran or reused, `why` says for what reason; `files` are hashes of what the options name and of the
    inputs. `guard_failed` says that the student of evaluate is worse, and on what. `states` are size and time of each
    output, by which an edit is noticed without reading it."""

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
    """`recipe` is its path as seen from where the runs' folder lies, `directory` the name of this run's own, `number`
    counts the recipe's runs. `made` are the files of a complete run."""

    recipe: str
    directory: str = ""
    number: int = 0
    started_at: str
    ended_at: str | None = None
    complete: bool = False
    begun: str | None = None
    """The stage under way; a killed run has one."""
    stages: dict[str, StageRecord] = msgspec.field(default_factory=dict)
    changes: dict[str, Any] = msgspec.field(default_factory=dict)
    made: list[str] = msgspec.field(default_factory=list)

    @property
    def guard_failed(self) -> bool:
        """Whether its student is worse than the one that it was held against: then `latest` stays at the run before."""
        return any(stage.guard_failed for stage in self.stages.values())


def of(directory: Path) -> RunRecord | None:
    try:
        return msgspec.json.decode((directory / NAME).read_bytes(), type=RunRecord)
    except (OSError, msgspec.DecodeError):
        return None


def save(directory: Path, record: RunRecord) -> None:
    content = msgspec.json.format(msgspec.json.encode(record), indent=2)
    artifacts.write_whole(directory / NAME, content + b"\n")


def about(options: Any, inputs: Mapping[str, Path | str]) -> StageRecord:
    """What decides whether a stage runs again: its options, the content of files they name, its inputs."""
    chosen = {name: value for name, value in asdict(options).items() if name not in _FREE}
    chosen = msgspec.json.decode(msgspec.json.encode(chosen))  # lists for tuples, as a record has them
    files = {name: path if isinstance(path, str) else _sha256(path) for name, path in inputs.items()}
    return StageRecord(did="", why="", version=__version__, options=chosen, files=files | named.states(options))


def _sha256(path: Path) -> str:
    """Of a file, or of all files in a folder of documents."""
    if not path.is_dir():
        return artifacts.sha256(path)
    inside = sorted(one for one in path.rglob("*") if one.is_file())
    return hashlib.sha256("".join(f"{one}:{artifacts.sha256(one)}\n" for one in inside).encode()).hexdigest()


def difference(now: StageRecord, before: StageRecord) -> str | None:
    """Why a stage must run again, or None."""
    if not before.complete:
        return "some prompts failed last time"
    if now.version != before.version:
        return f"cotdistill {before.version} made it, this is {now.version}"
    for name, value in now.options.items():
        if value != before.options.get(name):
            return f"{name} is {value!r}, was {before.options.get(name)!r}"
    changed = [name for name in {**now.files, **before.files} if now.files.get(name) != before.files.get(name)]
    return f"{changed[0]} changed" if changed else None


def link(step: Step, source: Path, target: Path) -> None:
    """A step's files of another run, without copying where the file system can; in place of those that it has there."""
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
    """Size and time of change of each file that a step wrote, its manifest too. Hard links of a file share both."""
    found = {}
    for name in (*_outputs(step, directory), _manifest_name(step)):
        with suppress(FileNotFoundError):  # also of a run under way, which `status` looks at
            state = (directory / name).stat()
            found[name] = (state.st_size, state.st_mtime_ns)
    return found


def damage(step: Step, directory: Path, known: StageRecord) -> str | None:
    """Why a step's files are not those that it wrote, or None. Reads only what has another size or time."""
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
    """What a step wrote, by its path in the run's directory, with its hash."""
    manifest = manifest_of(directory, step)
    if manifest is None or not manifest.outputs:
        return {}
    paths = {Path(one.path): one.sha256 for one in manifest.outputs}
    top = min((path.parent for path in paths), key=lambda path: len(path.parts))  # where it lay when it was written
    place = Path(step.stem) if step.stage == "finetune" else Path()
    return {str(place / path.relative_to(top)): sha256 for path, sha256 in paths.items()}


def changes(steps: Sequence[Step], here: Path, last: Path | None) -> dict[str, Any]:
    """Against the last run: prompts that came and went, and each count and score then and now."""
    found: dict[str, Any] = {}
    if asking := next((step for step in steps if step.stage == "generate"), None):
        ids, before = _prompt_ids(asking, here), _prompt_ids(asking, last)
        if ids is not None and before is not None:
            found["prompts_added"], found["prompts_removed"] = len(ids - before), len(before - ids)
    now, then = figures(steps, here), figures(steps, last)
    for name, value in now.items():
        found[name] = {"now": value, "before": then[name]} if name in then else {"now": value}
    return found


_COUNTS = {"expand": ("new_prompts",), "generate": ("responses",), "filter": ("kept", "dropped"), "format": ("rows",)}


def figures(steps: Sequence[Step], directory: Path | None) -> dict[str, Any]:
    """By name; behind the name of a step, but for the steps of tables, whose stages say it."""
    every: dict[str, Any] = {}
    for step in steps:
        if (manifest := manifest_of(directory, step)) is None:
            continue
        found: dict[str, Any] = {
            name: manifest.counts[name] for name in _COUNTS.get(step.stage, ()) if name in manifest.counts
        }
        if step.stage in ("expand", "generate") and manifest.cost_usd is not None:
            found["cost_usd"] = manifest.cost_usd
        if step.stage == "filter" and "accuracy" in manifest.results:
            found["teacher_accuracy"] = manifest.results["accuracy"]
        if step.stage == "evaluate":
            found["student_accuracy"] = manifest.results["students"][0]["accuracy"]
        own = "" if step.stem != step.name else f"{step.name}: "
        every |= {f"{own}{name}": value for name, value in found.items()}
    return every


def label(figure: str) -> str:
    """A figure's name in words; the step's name, where there is one, stays before it."""
    step, colon, name = figure.rpartition(": ")
    return f"{step}{colon}{'cost of the answers' if name == 'cost_usd' else name.replace('_', ' ')}"


def figure_in_words(name: str, value: Any) -> str:
    """A figure's value: a share in per cent, money in USD."""
    if name.endswith("accuracy"):
        return f"{value:.1%}"
    if name.endswith("cost_usd"):
        return f"{value} USD"
    return f"{value:,}" if isinstance(value, int) else str(value)


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


def _prompt_ids(step: Step, directory: Path | None) -> set[int] | None:
    """Hashes of the ids that were asked, those that got no answer among them."""
    path = directory / step.output if directory else None
    if path is None or not path.is_file():
        return None
    asked = {hash(one.prompt.id) for one in json_lines.read_records(path, OfResponse)}
    failed = artifacts.sibling(path, "failed.jsonl")
    return asked | ({hash(one.id) for one in json_lines.read_records(failed, Id)} if failed.is_file() else set())


def made(step: Step, what: str, directory: Path) -> dict[str, str]:
    """One thing that a step made as the input of another, by the hashes that its manifest keeps: each file of a
    student."""
    manifest = manifest_of(directory, step)
    if manifest is None:
        return {}
    found = {Path(one.path).name: one.sha256 for one in manifest.outputs}
    return found if step.stage == "finetune" else {name: sha for name, sha in found.items() if name == step.file(what)}
