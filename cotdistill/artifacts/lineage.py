"""Follows manifests from a file to the files it was made from, and lists what stages left in a directory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cotdistill import artifacts
from cotdistill.artifacts import Manifest
from cotdistill.errors import CotDistillError


@dataclass(frozen=True)
class Found:
    """A stage's manifest, and where its first output stands now; that file itself may be gone."""

    manifest: Manifest
    path: Path


def within(directory: Path) -> Iterator[Found]:
    """The manifests in a directory by name, then those of students, which are one level down. A file with a manifest's
    name that is none is skipped."""
    for path in [*sorted(directory.glob("*.manifest.json")), *sorted(directory.glob("*/manifest.json"))]:
        try:
            manifest = artifacts.read_manifest(path)
        except CotDistillError:
            continue
        if path.name == "manifest.json":
            yield Found(manifest, path.parent)
        elif manifest.outputs:
            yield Found(manifest, path.parent / Path(manifest.outputs[0].path).name)


def manifests(path: Path) -> Iterator[Manifest]:
    """The manifest of the file itself, then those of its inputs."""
    return (found.manifest for found in chain(path))


def chain(path: Path) -> Iterator[Found]:
    """The file's own manifest, then its inputs'. It ends where a file has none, is gone, or was moved."""
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        place = locate(waiting.pop(0), path.parent)
        if place is None or place in seen:
            continue
        seen.add(place)
        try:
            manifest = artifacts.manifest_of(place)
        except CotDistillError:
            continue
        if manifest is not None:
            yield Found(manifest, place)
            waiting += [Path(info.path) for info in manifest.inputs]


def of_student(directory: Path) -> Manifest | None:
    """The manifest of a directory that finetune wrote; None for any other student. Raises CotDistillError for a damaged
    one."""
    place = directory / "manifest.json"
    return artifacts.read_manifest(place) if place.is_file() else None


def locate(path: Path, near: Path) -> Path | None:
    """Find an input that a manifest names as it was typed, relative to a directory that may be another one today."""
    return next((place for place in (path, near / path.name) if place.is_file()), None)
