"""One run of a stage on one output: the rule about its paths, the lock, the clock, the inputs, and at the end the
manifest."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import __version__, plugins
from cotdistill.artifacts import outputs
from cotdistill.artifacts.files import FileInfo, PartialFile, Publishable, partial, write_whole
from cotdistill.artifacts.kinds import check_kind
from cotdistill.artifacts.lock import is_lock, lock, lock_path, now
from cotdistill.artifacts.manifest import Manifest, input_info, manifest_of, manifest_path, plain, written_before
from cotdistill.artifacts.opening import is_remote
from cotdistill.artifacts.outputs import Place
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.records import Usage


class Run:
    """One run of a stage on one output. `places` are all paths that it may write, replace or delete."""

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

    def read(
        self, path: Path, *, allow_modified: bool = False, written_by: str = "", option: str | None = None
    ) -> Path:
        """Check an input against its manifest and remember it. A path that this run writes is refused, and so is what
        another stage than `written_by` wrote; an unfinished input is noted. `option` names the option that the file
        is read for: such a file is read once, at the beginning."""
        self.check_inputs([path])
        if manifest := manifest_of(path):
            if written_by and manifest.stage != written_by:
                raise UsageError(f"{path}: `{manifest.stage}` wrote it; {self.stage} reads what `{written_by}` writes")
            if not manifest.complete:
                why = f", stopped by its {manifest.stopped_by}" if manifest.stopped_by else ""
                self.notes.append(f"{path} is not complete{why}: `{manifest.stage}` has more to do")
        elif written_by:
            check_kind(path, self.stage, written_by)
        if option is None and path.exists():
            self._states[path] = _state(path)
        self.inputs.append(input_info(path, allow_modified=allow_modified, option=option))
        return path

    def check_inputs(self, paths: Iterable[Path]) -> None:
        """Raises UsageError for one that this run writes, or that is its store."""
        outputs.check_inputs([*self.places, *self._stores], paths)

    def publish(
        self,
        writers: Iterable[Publishable],
        *,
        counts: Mapping[str, int],
        beside: Sequence[FileInfo] = (),
        complete: bool = True,
        stopped_by: str | None = None,
        results: Mapping[str, Any] | None = None,
        usage: Usage | None = None,
        cost_usd: str | None = None,
    ) -> Manifest:
        """Give the outputs their names, then the manifest its own: its presence means that all of it is there. Files
        that only an earlier run wrote are deleted. `beside` are files that are written already.

        Raises CotDistillError when an input changed while it was read."""
        writers = list(writers)
        self._check_inputs()
        declared = {place.path for place in self.places}
        outputs.check([Place(one.path, outputs.never) for one in writers if one.path not in declared])
        manifest = self.summary(
            counts,
            outputs=(*(writer.finish() for writer in writers), *beside),
            complete=complete,
            stopped_by=stopped_by,
            results=results,
            usage=usage,
            cost_usd=cost_usd,
        )
        stale = _beside(self.output, written_before(self.output, self.stage))
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
        for path in stale - {plain(Path(info.path)) for info in manifest.outputs}:
            path.unlink(missing_ok=True)
        place.place()
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
        write_whole(path or manifest_path(self.output), _indented(manifest))

    def _check_inputs(self) -> None:
        """What is hashed must be what was read."""
        for path, state in self._states.items():
            if (found := _state(path)) != state:
                raise CotDistillError(
                    f"{path}: changed while it was read ({state[2]:,} bytes at first, {found[2]:,} now). Run the same "
                    f"command again; what was paid for is in the store"
                )


_STORE_FILES = ("", "-wal", "-shm", "-journal")
"""SQLite's, beside the store."""


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
    """Hold the output, a file or a `directory`, for one run. `siblings` are the files beside it that the stage may
    write, `also` paths elsewhere; `stores`, and `inputs` as far as they are known, must not be among them.

    Raises UsageError for a path that must not be written (see `outputs`) and for an option that is no UTF-8,
    OutputLockedError when another process holds the output.
    """
    places = _places(stage, output, directory, siblings, also)
    for store in stores:
        outputs.check_store(store)
    current = Run(stage, output, options, packages, places, stores)
    current.check_inputs(inputs)  # first, for a person's own input is also a file that no stage wrote
    outputs.check(places, [store.with_name(store.name + ending) for store in stores for ending in _STORE_FILES])
    _check_options(options)
    with lock(output):
        yield current


def check_output(stage: str, output: Path, *, directory: bool = False) -> None:
    """For a command of several stages: the rule about the main output of one of them, before the first begins."""
    outputs.check(_places(stage, output, directory, (), ()))


def _places(stage: str, output: Path, directory: bool, siblings: Sequence[Path], also: Sequence[Place]) -> list[Place]:
    """Every path of the run. Files of an earlier run are among them: those that this one does not write go."""
    if not output.name or output.name == "..":
        raise UsageError(f"-o {output}: expected a path with a name of its own")
    because = f"-o {output}"
    places: list[Place] = [Place(lock_path(output), is_lock, because), *also]
    if directory:
        return [Place(output, outputs.student(stage), because, directory=True), *places]
    before = written_before(output, stage)
    named = {plain(path): path for path in (output, *siblings, output.with_suffix(".manifest.json"))}
    named = {path: path for path in sorted(_beside(output, before))} | named
    for path in named.values():
        places += outputs.replaced(Place(path, lambda one: plain(one) in before, because))
    return sorted(places, key=lambda place: place.path != output)  # so that it is the one a person hears of first


def _beside(output: Path, before: set[Path]) -> set[Path]:
    """Of the files that an earlier run wrote, those that go when a later one does not write them: they are named after
    the output. The manifests stay, for a later one takes their place."""
    manifest = plain(output.with_suffix(".manifest.json"))
    return {
        path
        for path in before - {manifest, partial(manifest)}
        if path.parent == manifest.parent and path.name.startswith(f"{output.stem}.")
    }


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
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
