"""The rule for every path that a command writes, replaces or deletes: it is no input, no store of paid answers, no
device, and no file that the command did not write itself. `check` applies it, for every command, before anything is
written."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cotdistill.artifacts.earlier import listing, normalized, stale_files, written_before
from cotdistill.artifacts.files import partial
from cotdistill.artifacts.lock import is_lock, lock_path
from cotdistill.artifacts.opening import check_directory, is_remote, meant_elsewhere, obstacle
from cotdistill.errors import UsageError

Ours = Callable[[Path], bool]
"""Whether a file that stands at a path may be replaced."""


@dataclass(frozen=True)
class Place:
    """A path that a command may write, replace or delete. `ours` decides whether an earlier run of the command wrote
    the file that stands there; `because` is the option and value that the user typed to have it written."""

    path: Path
    ours: Ours
    because: str = "-o"
    directory: bool = False
    held: bool = False
    """Whether it stays locked for the whole run, because another command may be given the same path."""


def check(places: Sequence[Place], inputs: Iterable[Path] = ()) -> None:
    """Raises UsageError for the first path that must not be written; touches nothing."""
    check_inputs(places, inputs)
    seen: list[Place] = []
    for place in places:
        path = place.path
        check_name(path, place.because)
        if twice := next((one for one in seen if _same(one.path, path)), None):
            raise UsageError(f"{path}: {twice.because} and {place.because} would both write it; give another path")
        seen.append(place)
        if (found := obstacle(path)) and not (place.directory and found == "a directory"):
            advice = "give what it leads to, or another path" if path.is_symlink() else "give another path"
            raise UsageError(f"{path}: is {found}{_means(place)}; {advice}")
        if place.directory and path.is_file():
            raise UsageError(f"{path}: is a file{_means(place)}; give another path")
        if _is_foreign(place):
            holds = " with files that its manifest does not list" if place.directory else ""
            raise UsageError(
                f"{path}: exists{holds} and was not written by this command{_means(place)}; "
                f"move it away, or give another path"
            )


def check_inputs(places: Sequence[Place], inputs: Iterable[Path]) -> None:
    """Raises UsageError for an input that a command would write; for inputs that become known later."""
    for source in inputs:
        for place in [] if is_remote(source) else places:
            inside = place.directory and _resolved(source).is_relative_to(_resolved(place.path))
            if inside or _same(place.path, source):
                raise UsageError(f"{source}: is both input and output{_means(place)}; give another path")


def check_store(store: Path) -> None:
    """Raises UsageError for a store that is no file: it is written where it stands, also through a link."""
    if store.exists() and not store.is_file():
        raise UsageError(f"{store}: expected a store of answers, or nothing; found {obstacle(store.resolve())}")
    check_directory(store.parent)


def always(path: Path) -> bool:
    """For names that only we use, such as `.partial` ones."""
    return True


def never(path: Path) -> bool:
    return False


def marked(mark: bytes, within: int = 4_096) -> Ours:
    """For a file that carries no manifest, such as a page or a card: ours if this text is in its first bytes."""

    def found(path: Path) -> bool:
        with path.open("rb") as file:
            return mark in file.read(within)

    return found


def student(stage: str) -> Ours:
    """For a student's directory: ours if it holds what its manifest lists and nothing else, or is empty."""

    def found(path: Path) -> bool:
        known = listing(path / "manifest.json")
        ours = {path / "manifest.json", *(known.files(path) if known and known.stage == stage else ())}
        return all(one in ours for one in path.rglob("*") if one.is_symlink() or not one.is_dir())

    return found


def replaced(place: Place) -> list[Place]:
    """The place and the one beside it where its content is put together. Raises UsageError for a path without a
    name."""
    check_name(place.path, place.because)
    return [place, Place(partial(place.path), always, place.because, place.directory)]


def of_run(
    stage: str, output: Path, *, directory: bool = False, siblings: Sequence[Path] = (), also: Sequence[Place] = ()
) -> list[Place]:
    """Every path that a run of a stage may write, replace or delete, the output first. The files of an earlier run are
    among them, because those that this run does not write again are deleted. Raises UsageError for a path without a
    name."""
    check_name(output)
    because = f"-o {output}"
    places: list[Place] = [Place(lock_path(output), is_lock, because), *also]
    if directory:
        return [Place(output, student(stage), because, directory=True), *places]
    before, manifest = written_before(output, stage), output.with_suffix(".manifest.json")
    places += [Place(lock_path(one), is_lock, because) for one in held_besides(output, siblings, also)]
    named = {normalized(path): path for path in (output, *siblings, manifest)}
    named = {path: path for path in sorted(stale_files(output, before))} | named
    for path in named.values():
        places += replaced(Place(path, lambda one: normalized(one) in before, because))
    return sorted(places, key=lambda place: place.path != output)  # so that it is the one a person hears of first


def held_besides(output: Path, siblings: Sequence[Path], also: Sequence[Place]) -> list[Path]:
    """The paths that are locked together with an output file: its manifest, which x.jsonl and x.parquet share, and the
    other files that another run may write too, as its output or beside it."""
    return [output.with_suffix(".manifest.json"), *siblings, *(place.path for place in also if place.held)]


def check_output(stage: str, output: Path, *, directory: bool = False) -> None:
    """For a command of several stages: check the output of one of them before the first begins. Raises UsageError as
    `check` does."""
    check(of_run(stage, output, directory=directory))


def _is_foreign(place: Place) -> bool:
    """Whether a file stands there that the command did not write."""
    try:
        return place.path.exists() and not place.ours(place.path)
    except FileNotFoundError:  # another run's, and gone since
        return False


def _means(place: Place) -> str:
    """The words for an option that leads to a path which the user did not type."""
    return "" if place.because.endswith(f" {place.path}") else f" ({place.because} writes {place.path})"


def check_name(path: Path, because: str = "-o") -> None:
    """Raises UsageError for a name that no file can have, or none on this machine. It comes first, because the names of
    everything written beside an output are made from the output's."""
    if not path.name or path.name == "..":
        raise UsageError(f"{because} {path}: expected a path with a name of its own")
    if elsewhere := meant_elsewhere(path):
        raise UsageError(f"{because}: {elsewhere}")
    check_text(str(path), because)


def check_text(path: str, because: str) -> None:
    """Raises UsageError for a text that no file system takes as a path."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{because} {path!a}: expected a name in UTF-8") from None
    if "\0" in path:
        raise UsageError(f"{because} {path!a}: expected a name without a zero byte")


def _same(one: Path, other: Path) -> bool:
    """Whether two paths are one file, also under two spellings. A hard link is another file here: a rename leaves its
    content alone."""
    if one == other or _resolved(one) == _resolved(other):
        return True
    try:
        return one.samefile(other) and one.stat().st_nlink == 1
    except OSError:
        return False


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a circle of links
        return path.absolute()
