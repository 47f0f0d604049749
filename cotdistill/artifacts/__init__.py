"""JSONL files that appear whole or not at all, each with a manifest that says where it came from.

`X.jsonl` is written as `X.jsonl.partial`, synced and renamed; `X.manifest.json` is written last. Same input and
options give the same bytes: times stand in the manifest only. Reading and writing stream.
"""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from filelock import FileLock, Timeout

from cotdistill import __version__, plugins
from cotdistill.artifacts.json_lines import explain, open_input
from cotdistill.errors import CotDistillError, OutputLockedError, UsageError
from cotdistill.records import Record, Usage


class FileInfo(Record, frozen=True, kw_only=True):
    """A file as a manifest remembers it. `manifest_sha256` is absent for somebody's own file."""

    path: str
    sha256: str
    records: int | None = None
    manifest_sha256: str | None = None
    modified: bool = False


class Manifest(Record, frozen=True, kw_only=True):
    """What a stage did, and its summary for the person and for `--json`. `complete` is false when some prompts
    are missing from the output; the same command then continues. `stopped_by` is "budget" at --max-cost."""

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


def manifest_path(artifact: Path) -> Path:
    """kept.jsonl -> kept.manifest.json; a directory holds its own manifest.json."""
    return artifact / "manifest.json" if artifact.is_dir() else artifact.with_suffix(".manifest.json")


def sibling(artifact: Path, ending: str) -> Path:
    """kept.jsonl, "dropped.jsonl" -> kept.dropped.jsonl."""
    return artifact.with_name(f"{artifact.stem}.{ending}")


def sha256(path: Path) -> str:
    with open_input(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def input_info(path: Path, *, allow_modified: bool = False) -> FileInfo:
    """Hash an input and hold it against its manifest.

    Raises CotDistillError when the bytes are not those the manifest recorded, unless `allow_modified`.
    """
    digest = sha256(path)
    manifest = manifest_of(path)
    if manifest is None:
        return FileInfo(path=str(path), sha256=digest)
    beside = manifest_path(path)
    modified = all(Path(output.path).name != path.name or output.sha256 != digest for output in manifest.outputs)
    if modified and not allow_modified:
        raise CotDistillError(
            f"{path}: changed since {beside.name} was written. Re-run `cotdistill {manifest.stage}`, "
            f"or pass --allow-modified to use it as it is"
        )
    return FileInfo(path=str(path), sha256=digest, manifest_sha256=sha256(beside), modified=modified)


def manifest_of(path: Path) -> Manifest | None:
    """The manifest that lists this file as an output; None for somebody's own file, also beside another's manifest:
    scores.json and scores.jsonl share a name."""
    beside = manifest_path(path)
    manifest = read_manifest(beside) if beside.exists() else None
    listed = manifest is not None and any(Path(output.path).name == path.name for output in manifest.outputs)
    return manifest if listed else None


def read_manifest(path: Path) -> Manifest:
    with open_input(path) as file:
        try:
            return msgspec.json.decode(file.read(), type=Manifest)
        except msgspec.DecodeError as error:
            raise CotDistillError(f"{path}: not a manifest: {explain(error)}") from None


class ArtifactWriter:
    """Writes `path.partial`; `commit` makes it `path`. Leaving the block without a commit removes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = 0
        self._partial = path.with_name(path.name + ".partial")
        self._digest = hashlib.sha256()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._partial.open("wb")
        self._encoder = msgspec.json.Encoder(decimal_format="string")

    def write(self, record: object) -> None:
        line = self._encoder.encode(record) + b"\n"
        self._digest.update(line)
        self._file.write(line)
        self.records += 1

    def commit(self) -> FileInfo:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._partial.replace(self.path)
        _sync_directory(self.path.parent)
        return FileInfo(path=str(self.path), sha256=self._digest.hexdigest(), records=self.records)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._partial.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> FileInfo:
    """A small file, atomically."""
    partial = path.with_name(path.name + ".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    _sync_directory(path.parent)
    return FileInfo(path=str(path), sha256=hashlib.sha256(content).hexdigest())


def _sync_directory(directory: Path) -> None:
    """A rename survives a power cut only once its directory is on disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Run:
    """One run of a stage on one output: holds the lock, the clock and the inputs, and writes the manifest."""

    def __init__(self, stage: str, output: Path, options: Mapping[str, Any], packages: Sequence[str] = ()) -> None:
        self.stage, self.output = stage, output
        self.options = dict(options)
        self.packages = packages
        self.inputs: list[FileInfo] = []
        self.notes: list[str] = []
        self.started_at = now()

    def read(self, path: Path, *, allow_modified: bool = False, written_by: str = "") -> Path:
        """Check an input against its manifest and remember it. Reading the output itself is refused, and so is what
        another stage than `written_by` wrote; an unfinished input is noted."""
        if path.resolve() == self.output.resolve():
            raise UsageError(f"{path}: is both input and output; give -o another path")
        if manifest := manifest_of(path):
            if written_by and manifest.stage != written_by:
                raise UsageError(f"{path}: `{manifest.stage}` wrote it; {self.stage} reads what `{written_by}` writes")
            if not manifest.complete:
                why = f", stopped by its {manifest.stopped_by}" if manifest.stopped_by else ""
                self.notes.append(f"{path} is not complete{why}: `{manifest.stage}` has more to do")
        self.inputs.append(input_info(path, allow_modified=allow_modified))
        return path

    def publish(
        self,
        writers: Iterable[ArtifactWriter],
        *,
        counts: Mapping[str, int],
        complete: bool = True,
        stopped_by: str | None = None,
        results: Mapping[str, Any] | None = None,
        usage: Usage | None = None,
        cost_usd: str | None = None,
    ) -> Manifest:
        """Rename the outputs into place, then write the manifest: its presence means all of it is there."""
        manifest_path(self.output).unlink(missing_ok=True)  # never an old manifest beside new bytes
        outputs = tuple(writer.commit() for writer in writers)
        manifest = self.summary(
            counts,
            outputs=outputs,
            complete=complete,
            stopped_by=stopped_by,
            results=results,
            usage=usage,
            cost_usd=cost_usd,
        )
        self.write_manifest(manifest)
        return manifest

    def summary(
        self,
        counts: Mapping[str, int],
        *,
        outputs: tuple[FileInfo, ...] = (),
        complete: bool = True,
        stopped_by: str | None = None,
        results: Mapping[str, Any] | None = None,
        usage: Usage | None = None,
        cost_usd: str | None = None,
    ) -> Manifest:
        """The manifest as it would be written; all there is of a dry run."""
        return Manifest(
            stage=self.stage,
            version=__version__,
            complete=complete,
            stopped_by=stopped_by,
            options=self.options,
            inputs=tuple(self.inputs),
            outputs=outputs,
            counts=dict(counts),
            results=dict(results or {}),
            usage=usage,
            cost_usd=cost_usd,
            notes=tuple(self.notes),
            packages={**_versions(self.packages), **plugins.loaded},
            started_at=self.started_at,
            ended_at=now(),
        )

    def write_manifest(self, manifest: Manifest, path: Path | None = None) -> None:
        """Beside the output; at `path` for a directory that is still being put together."""
        content = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        write_whole(path or manifest_path(self.output), content + b"\n")


@contextmanager
def run(
    stage: str, output: Path, options: Mapping[str, Any], packages: Sequence[str] = (), *, directory: bool = False
) -> Iterator[Run]:
    """Hold the output, a file or a `directory`, for one run. Raises OutputLockedError when another process holds it."""
    if not output.name or output.name == "..":
        raise UsageError(f"-o {output}: expected a path with a name of its own")
    if output.exists() and output.is_dir() != directory:
        raise UsageError(f"-o {output}: is a {'file' if directory else 'directory'}; give another path")
    with lock(output):
        yield Run(stage, output, options, packages)


@contextmanager
def lock(output: Path) -> Iterator[None]:
    """An advisory lock beside the output; the system releases it when the process dies, however it dies."""
    output.parent.mkdir(parents=True, exist_ok=True)
    path = output.with_name(f".{output.name}.lock")
    held = FileLock(path, blocking=False)
    try:
        held.acquire()
    except Timeout:
        raise OutputLockedError(f"{output}: {_owner(path)} is writing it; wait for it, or choose another -o") from None
    try:
        path.write_text(f"process {os.getpid()} since {now()}")
        yield
    finally:
        held.release()


def _owner(lock_file: Path) -> str:
    age_s = time.time() - lock_file.stat().st_mtime
    return f"{lock_file.read_text() or 'another process'} ({age_s:.0f} s ago)"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
