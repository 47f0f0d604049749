"""From a file back to what it was made of, by the manifests that stand beside each."""

from collections.abc import Iterator
from pathlib import Path

from cotdistill import artifacts
from cotdistill.artifacts import Manifest
from cotdistill.errors import CotDistillError


def manifests(path: Path) -> Iterator[Manifest]:
    """The file's own manifest first, then its inputs'. It ends where a file has none, is gone, or was moved."""
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        place = found(waiting.pop(0), path.parent)
        if place is None or place in seen:
            continue
        seen.add(place)
        try:
            manifest = artifacts.manifest_of(place)
        except CotDistillError:
            continue
        if manifest is not None:
            yield manifest
            waiting += [Path(info.path) for info in manifest.inputs]


def found(path: Path, near: Path) -> Path | None:
    """A manifest names its inputs as they were typed, from a directory that may be another one today."""
    return next((place for place in (path, near / path.name) if place.is_file()), None)
