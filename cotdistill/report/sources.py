"""What a person names to see side by side: files of scores, directories of runs, folders of them, and grids."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from cotdistill.artifacts import lineage
from cotdistill.errors import UsageError
from cotdistill.recipes import grid, record
from cotdistill.report import scored
from cotdistill.report.scored import Scored

_NO_SETTINGS = {"cache", "student", "baseline", "guard_against"}
"""Options that name files, and say nothing to a reader."""


@dataclass(frozen=True)
class Source:
    """One file of scores, what it is called, and the settings of its cell in a grid."""

    scores: Path
    name: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sources:
    """`without` names what was to have scores and has none, with the reason where one is known."""

    found: list[Source]
    without: list[str]


def find(paths: Sequence[Path]) -> Sources:
    """The scores behind the paths, in their order. Raises UsageError for a path that leads to none."""
    found: dict[Path, Source] = {}
    without: list[str] = []
    for path in paths:
        led = False
        for one in _behind(path):
            if isinstance(one, str):
                without.append(one)
            else:
                led = True
                found.setdefault(one.scores.resolve(), one)
        if not led:
            raise UsageError(
                f"{path}: no scores in it; expected a file that `cotdistill evaluate` wrote, a run's directory with "
                f"one, a folder of runs, or a grid of `cotdistill run --grid`"
            )
    return Sources(list(found.values()), without)


def _behind(path: Path) -> Iterator[Source | str]:
    """Scores, or what has none."""
    if path.is_file():
        yield Source(path, path.name if path.parent == Path() else str(path))
    elif (path / grid.NAME).is_file():
        yield from _of_grid(path)
    elif path.is_dir():
        own = _scores_in(path)
        yield from own
        for inner in [] if own else runs_in(path):
            found = _scores_in(inner)
            yield from found
            if not found:
                yield f"{inner}: nothing in it was evaluated"
    else:
        raise UsageError(f"{path}: no such file or directory")


def runs_in(folder: Path) -> list[Path]:
    """Directories of runs, the oldest first; links to one of them, such as `latest`, are left out."""
    inside = [one for one in sorted(folder.iterdir()) if one.is_dir() and not one.is_symlink()]
    known = [(record.read(one), one) for one in inside]
    ours = [(run.number, one) for run, one in known if run is not None and run.complete]
    if ours:
        return [one for _, one in sorted(ours, key=lambda both: (both[0], both[1].name))]
    return [one for _, one in known if any(True for _ in lineage.within(one))]


def _scores_in(directory: Path) -> list[Source]:
    """`scores.json`, as a recipe's tables and the docs call it; else every one that is there."""
    made = [one for one in lineage.within(directory) if one.manifest.stage == "evaluate" and one.path.is_file()]
    made = [one for one in made if one.path.name == "scores.json"] or made
    several = len(made) > 1
    return [Source(one.path, str(one.path) if several else str(directory)) for one in made]


def _of_grid(path: Path) -> Iterator[Source | str]:
    file = path / grid.NAME
    try:
        known = msgspec.json.decode(file.read_bytes(), type=grid.GridRecord)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: expected what `cotdistill run --grid` writes: {error}") from None
    for cell in known.cells:
        settings = {name: _shown(value) for name, value in cell.settings.items()}
        name = ", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in settings.items())
        scores = _scores_in(path / cell.directory)
        if not scores:
            yield f"{path / cell.directory}: {cell.error or 'it has not run yet'}"
        for one in scores:
            yield Source(one.scores, name or one.name, settings)


def rows(sources: Sequence[Source]) -> list[tuple[str, Mapping[str, str], Scored]]:
    """Name, settings and scores of each student. A baseline that several files scored alike is there once."""
    read = [(source, one) for source in sources for one in scored.read(source.scores)]
    ours = [(source, one) for source, one in read if not one.baseline]
    settings: Sequence[Mapping[str, str]] = [source.settings or {} for source, _ in ours]
    if len(ours) > 1 and not any(settings):
        settings = differing([_options(one) for _, one in ours])
    if len(sources) == 1:
        names = scored.short_names([one.student for _, one in read])
        return [(name, {}, one) for name, (_, one) in zip(names, read, strict=True)]
    names = scored.short_names([source.name for source, _ in ours])
    found = [(name, own, one) for name, own, (_, one) in zip(names, settings, ours, strict=True)]
    others: list[Scored] = []
    for one in (one for _, one in read if one.baseline):
        if not any(one.student == other.student and _alike(one, other) for other in others):
            others.append(one)
    labels = scored.short_names([one.student for one in others])
    return found + [(label, {}, one) for label, one in zip(labels, others, strict=True)]


def _alike(one: Scored, other: Scored) -> bool:
    """Whether both got the same prompts right, of those that both were asked."""
    return all(other.right[name] == right for name, right in one.right.items() if name in other.right)


def differing(options: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Of each, the options in which it differs from another."""
    names = dict.fromkeys(name for one in options for name in one)
    differ = [name for name in names if len({one.get(name) for one in options}) > 1]
    return [{name: one.get(name, "") for name in differ} for one in options]


def _options(one: Scored) -> dict[str, str]:
    """Of every stage that the student goes back to, as `stage.option`."""
    return {
        f"{made.manifest.stage}.{name}": _shown(value)
        for made in one.origin
        for name, value in made.manifest.options.items()
        if name not in _NO_SETTINGS
    } | ({"finetune.student": str(one.origin[0].manifest.options.get("student"))} if one.origin else {})


def _shown(value: Any) -> str:
    if value is None or value in ([], ()):
        return "not given"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
