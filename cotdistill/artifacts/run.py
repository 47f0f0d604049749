"""One run of a stage on one output: the check of its paths, the lock, the clock, the inputs, and at the end the
manifest."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Required, TypedDict, Unpack

import msgspec

from cotdistill import __version__, plugins
from cotdistill.artifacts import outputs
from cotdistill.artifacts.earlier import normalized, stale_files, written_before
from cotdistill.artifacts.files import FileInfo, PartialFile, Publishable, write_whole
from cotdistill.artifacts.kinds import check_kind
from cotdistill.artifacts.lock import check_free, lock, now
from cotdistill.artifacts.manifest import Manifest, input_info, manifest_of, manifest_path
from cotdistill.artifacts.opening import is_remote
from cotdistill.artifacts.outputs import Place
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.records import Usage


class Figures(TypedDict, total=False):
    """What a stage reports of its run: fields of its manifest."""

    counts: Required[Mapping[str, int]]
    complete: bool
    stopped_by: str | None
    results: Mapping[str, Any] | None
    usage: Usage | None
    cost_usd: str | None


class Run:
    """One run of a stage on one output. `places` are all paths that the run may write, replace or delete."""

    def __init__(
        self,
        stage: str,
        output: Path,
        options: Mapping[str, Any],
        packages: Sequence[str],
        places: Sequence[Place],
        stores: Sequence[Path] = (),
    ) -> None:
        self.stage, self.output = stage, output
        self.options = dict(options)
        self.packages = packages
        self.places = list(places)
        self._stores = [Place(store, outputs.always, f"--cache {store}") for store in stores]
        self.inputs: list[FileInfo] = []
        self.notes: list[str] = []
        self.started_at = now()
        self._states: dict[Path, tuple[int, ...]] = {}

    def read(self, path: Path, *, written_by: str = "", option: str | None = None) -> Path:
        """Check an input against its manifest and record it.

        Refused are a path that this run writes, a file of another stage than `written_by`, and a file that was edited
        after its manifest, unless the stage's option allow_modified is set. An incomplete input is noted. `option`
        names the option that the file is read for: such a file is read once, at the beginning.
        """
        self.check_inputs([path])
        manifest = manifest_of(path)
        if manifest is None:
            _check_written(path)  # its manifest may be what comes next
        if manifest:
            if written_by and manifest.stage != written_by:
                raise UsageError(f"{path}: `{manifest.stage}` wrote it; {self.stage} reads what `{written_by}` writes")
            if not manifest.complete:
                why = f", stopped by its {manifest.stopped_by}" if manifest.stopped_by else ""
                self.notes.append(f"{path} is not complete{why}: `{manifest.stage}` has more to do")
        elif written_by:
            check_kind(path, self.stage, written_by)
        if option is None and path.exists():
            self._states[path] = _state(path)
        self.inputs.append(self._info(path, option))
        return path

    def read_named(self, files: Iterable[tuple[str, Path]]) -> None:
        """Read the files that options name, given as pairs of an option and a path."""
        for option, path in files:
            self.read(path, option=option)

    def read_beside(self, path: Path, option: str) -> None:
        """Read a file that stands beside an input."""
        self.check_inputs([path])
        self.inputs.append(self._info(path, option))

    def _info(self, path: Path, option: str | None) -> FileInfo:
        allow_modified = bool(self.options.get("allow_modified"))
        try:
            return input_info(path, allow_modified=allow_modified, option=option)
        except CotDistillError:  # another run may have put file and manifest there between the looks at both
            _check_written(path)
            return input_info(path, allow_modified=allow_modified, option=option)

    def check_inputs(self, paths: Iterable[Path]) -> None:
        """Raises UsageError for an input that this run writes, or that is its store."""
        outputs.check_inputs([*self.places, *self._stores], paths)

    def publish(
        self, writers: Iterable[Publishable], *, beside: Sequence[FileInfo] = (), **figures: Unpack[Figures]
    ) -> Manifest:
        """Give the outputs their names, then write the manifest: its presence means that all outputs are there. Files
        that only an earlier run wrote are deleted. `beside` are files that are already written.

        Raises CotDistillError when an input changed while it was read.
        """
        writers = list(writers)
        self._check_inputs()
        declared = {place.path for place in self.places}
        outputs.check([Place(one.path, outputs.never) for one in writers if one.path not in declared])
        manifest = self.summary(outputs=(*(writer.finish() for writer in writers), *beside), **figures)
        stale = stale_files(self.output, written_before(self.output, self.stage))
        place = PartialFile(self.output.with_suffix(".manifest.json"))
        try:
            place.write(_indented(manifest))
            place.finish()
        except BaseException:
            place.discard()
            raise
        # From here on the manifest's partial name says whose the outputs are, should this process die in between.
        for writer in writers:
            writer.place()
        for path in stale - {normalized(Path(info.path)) for info in manifest.outputs}:
            path.unlink(missing_ok=True)
        place.place()
        return manifest

    def summary(self, *, outputs: tuple[FileInfo, ...] = (), **figures: Unpack[Figures]) -> Manifest:
        """The manifest as it would be written; a dry run ends with it."""
        return Manifest(
            stage=self.stage,
            version=__version__,
            complete=figures.get("complete", True),
            stopped_by=figures.get("stopped_by"),
            options=self.options,
            inputs=tuple(self.inputs),
            outputs=outputs,
            counts=dict(figures["counts"]),
            results=dict(figures.get("results") or {}),
            usage=figures.get("usage"),
            cost_usd=figures.get("cost_usd"),
            notes=tuple(self.notes),
            packages={**_versions(self.packages), **plugins.loaded},
            started_at=self.started_at,
            ended_at=now(),
        )

    def write_manifest(self, manifest: Manifest, path: Path | None = None) -> None:
        """Write the manifest beside the output, or at `path` for a directory that is still being put together."""
        write_whole(path or manifest_path(self.output), _indented(manifest))

    def _check_inputs(self) -> None:
        """Raises CotDistillError where an input is no longer the file that was hashed."""
        for path, state in self._states.items():
            if (found := _state(path)) != state:
                raise CotDistillError(
                    f"{path}: changed while it was read ({state[2]:,} bytes at first, {found[2]:,} now). Run the same "
                    f"command again; what was paid for is in the store"
                )


_STORE_FILES = ("", "-wal", "-shm", "-journal")
"""The endings of SQLite's files beside the store."""


@contextmanager
def run(
    stage: str,
    output: Path,
    options: Mapping[str, Any],
    packages: Sequence[str] = (),
    *,
    directory: bool = False,
    siblings: Sequence[Path] = (),
    also: Sequence[Place] = (),
    stores: Sequence[Path] = (),
    inputs: Sequence[Path] = (),
) -> Iterator[Run]:
    """Hold the output, a file or a `directory`, for one run.

    `siblings` are the files beside it that the stage may write, `also` paths elsewhere. `stores` and `inputs`, as far
    as they are known, must not be among them.

    Raises UsageError for a path that must not be written (see `outputs`) and for an option that is no UTF-8,
    OutputLockedError when another process holds the output.
    """
    for store in stores:
        outputs.check_store(store)
    kept = [store.with_name(store.name + ending) for store in stores for ending in _STORE_FILES]

    def places() -> list[Place]:
        return outputs.of_run(stage, output, directory=directory, siblings=siblings, also=also)

    current = Run(stage, output, options, packages, places(), stores)
    current.check_inputs(inputs)  # first, for a person's own input is also a file that no stage wrote
    _check_options(options)
    try:
        outputs.check(current.places, kept)
    except UsageError:  # also where another run is giving its outputs their names, or has just done so
        check_free(output)
        outputs.check(places(), kept)
    with ExitStack() as held:
        held.enter_context(lock(output))
        needs = f"is writing it too, which {output.name} needs; wait for it, or write elsewhere"
        for path in [] if directory else outputs.held_besides(output, siblings, also):
            held.enter_context(lock(path, needs))
        current.places = places()  # another run may have ended since
        outputs.check(current.places, kept)
        yield current


def _check_written(path: Path) -> None:
    """Raises OutputLockedError for an input that another run is writing."""
    if not is_remote(path):
        check_free(path, "is writing it; run this again when it has ended")


def _check_options(options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        try:
            msgspec.json.encode(value)
        except UnicodeEncodeError:
            raise UsageError(f"--{name.replace('_', '-')} {value!a}: expected UTF-8") from None


def _state(path: Path) -> tuple[int, ...]:
    if is_remote(path):
        remote: Any = path
        return 0, hash(remote.fs.ukey(remote.path)), remote.stat().st_size, 0
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _indented(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def _versions(packages: Sequence[str]) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version  # slow; at the end something else has imported it

    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
