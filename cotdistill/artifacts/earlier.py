"""What earlier runs wrote for an output, by the manifest that the last of them left beside it."""

from pathlib import Path

import msgspec

from cotdistill.artifacts.files import partial
from cotdistill.artifacts.manifest import Manifest


class _Output(msgspec.Struct):
    path: str


class Listing(msgspec.Struct):
    """The files that a manifest of any version lists; its other fields are ignored."""

    stage: str
    outputs: tuple[_Output, ...]

    @classmethod
    def of(cls, manifest: Manifest) -> "Listing":
        return cls(manifest.stage, tuple(_Output(one.path) for one in manifest.outputs))

    def files(self, directory: Path) -> list[Path]:
        """The outputs, if the first of them stands in `directory`. A manifest names them as they were typed, relative
        to a directory that may be another one today."""
        paths = [Path(one.path) for one in self.outputs]
        return [
            directory / path.relative_to(paths[0].parent) if path.is_relative_to(paths[0].parent) else path
            for path in paths
        ]


def listing(path: Path) -> Listing | None:
    """The files that the manifest at `path` lists; None where there is no file, or no manifest."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Listing)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def written_before(output: Path, stage: str) -> set[Path]:
    """The files that earlier runs of `stage` wrote for this output, their manifests among them; the paths are
    `normalized`. A run that was killed while it published has its manifest under the partial name."""
    beside = output.with_suffix(".manifest.json")
    found: set[Path] = set()
    for path in (beside, partial(beside)):
        known = listing(path)
        files = known.files(output.parent) if known is not None and known.stage == stage else []
        if files and files[0] == output:
            found |= {normalized(one) for one in (path, *files)}
    return found


def normalized(path: Path) -> Path:
    """One spelling of a path. Where the path itself is a link, it is not followed."""
    return path.parent.resolve() / path.name


def stale_files(output: Path, before: set[Path]) -> set[Path]:
    """The files of an earlier run, out of `before`, that are deleted when a later run does not write them again: those
    named after the output. Manifests are not among them, because a later manifest takes their place."""
    manifest = normalized(output.with_suffix(".manifest.json"))
    return {
        path
        for path in before - {manifest, partial(manifest)}
        if path.parent == manifest.parent and path.name.startswith(f"{output.stem}.")
    }
