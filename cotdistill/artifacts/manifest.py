"""The manifest beside an artifact, which records where it came from: `kept.jsonl` has `kept.manifest.json`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from cotdistill.artifacts.files import FileInfo
from cotdistill.artifacts.json_lines import explain
from cotdistill.artifacts.opening import lines_of, open_input, sha256
from cotdistill.errors import BUDGET, DONE, SOME_FAILED, CotDistillError
from cotdistill.records import Record, Usage
from cotdistill.wording import counted


class Manifest(Record, frozen=True, kw_only=True):
    """What a stage did: the record beside its output, and the summary for the user and for `--json`. `complete` is
    false when some prompts are missing from the output; the same command then continues. `stopped_by` is "budget" at
    --max-cost."""

    stage: str
    version: str
    complete: bool
    stopped_by: str | None = None
    options: dict[str, Any]
    inputs: tuple[FileInfo, ...]
    outputs: tuple[FileInfo, ...]
    counts: dict[str, int]
    results: dict[str, Any] = msgspec.field(default_factory=dict)
    usage: Usage | None = None
    cost_usd: str | None = None
    notes: tuple[str, ...] = ()
    packages: dict[str, str]
    started_at: str
    ended_at: str

    @property
    def exit_code(self) -> int:
        """The command's exit code: 0, 3 where prompts failed or a guard did, 4 at the budget."""
        if self.stopped_by:
            return BUDGET
        return DONE if self.complete and not self.guard_failed else SOME_FAILED

    @property
    def guard_failed(self) -> str | None:
        """The sentence of evaluate on a student that is worse on the guard's prompts; None where it is not."""
        guard = self.results.get("guard", {})
        return str(guard["says"]) if guard.get("worse") else None


def left_open(counts: Mapping[str, int]) -> str:
    """What an output lacks, in words, by its stage's counts: "3 requests failed, 5 were not asked"."""
    failed, not_asked = counts.get("failed", 0), counts.get("not_asked", 0)
    parts = [f"{counted(failed, 'request')} failed"] if failed else []
    parts += [f"{counted(not_asked, 'request was', 'requests were')} not sent"] if not_asked else []
    return ", ".join(parts) or "not everything was answered"


def manifest_path(artifact: Path) -> Path:
    """kept.jsonl -> kept.manifest.json; a directory holds its own manifest.json."""
    return artifact / "manifest.json" if artifact.is_dir() else artifact.with_suffix(".manifest.json")


def sibling(artifact: Path, ending: str) -> Path:
    """kept.jsonl, "dropped.jsonl" -> kept.dropped.jsonl."""
    return artifact.with_name(f"{artifact.stem}.{ending}")


def read_manifest(path: Path) -> Manifest:
    with open_input(path) as file:
        try:
            return msgspec.json.decode(file.read(), type=Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CotDistillError(f"{path}: not a manifest: {explain(error)}") from None


def manifest_of(path: Path) -> Manifest | None:
    """The manifest that lists this file as an output. None for a file that no stage wrote, even beside another file's
    manifest: scores.json and scores.jsonl share a name."""
    beside = manifest_path(path)
    manifest = read_manifest(beside) if beside.exists() else None
    listed = manifest is not None and any(Path(output.path).name == path.name for output in manifest.outputs)
    return manifest if listed else None


def input_info(path: Path, *, allow_modified: bool = False, option: str | None = None) -> FileInfo:
    """Hash an input and compare it with its manifest.

    Raises CotDistillError when the bytes are not those that the manifest recorded, unless `allow_modified`.
    """
    digest = sha256(path)
    manifest = manifest_of(path)
    if manifest is None:
        return FileInfo(path=str(path), sha256=digest, records=lines_of(path), option=option)
    beside = manifest_path(path)
    as_it_was = (one for one in manifest.outputs if Path(one.path).name == path.name and one.sha256 == digest)
    written = next(as_it_was, None)
    modified = written is None
    if modified and not allow_modified:
        raise CotDistillError(
            f"{path}: changed since {beside.name} was written. Re-run `cotdistill {manifest.stage}`, "
            f"or pass --allow-modified to use it as it is"
        )
    return FileInfo(
        path=str(path),
        sha256=digest,
        records=lines_of(path) if written is None else written.records,
        manifest_sha256=sha256(beside),
        modified=modified,
        option=option,
    )
