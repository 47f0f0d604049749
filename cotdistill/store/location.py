"""Where the user's store of answers is."""

import os
from pathlib import Path

from cotdistill.errors import UsageError

_ADVICE = "say where the store of answers is to be: --cache PATH, or COTDISTILL_CACHE"


def store_path(given: str | Path | None = None) -> Path:
    """The path that --cache names, else $COTDISTILL_CACHE, else a file in the user's data directory. `~` is the home
    directory also in a variable or a recipe, which no shell has expanded. Raises UsageError where the home directory is
    not known."""
    return _expanded(Path(given)) if given else default_path()


def default_path() -> Path:
    if chosen := os.environ.get("COTDISTILL_CACHE"):
        return _expanded(Path(chosen))
    import platformdirs

    try:
        path = Path(platformdirs.user_data_dir("cotdistill")) / "responses.sqlite"
    except RuntimeError:  # of newer versions; older ones leave `~` as it is
        path = Path("~")
    if not path.is_absolute():  # a container's user may have neither HOME nor an entry in passwd
        raise UsageError(f"no home directory is known for this user; set HOME, or {_ADVICE}")
    return path


def known_stores() -> list[Path]:
    """The user's store, for a command that does not use it and must not overwrite it."""
    try:
        return [default_path()]
    except UsageError:  # then there is none
        return []


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise UsageError(f"{path}: no home directory is known for {path.parts[0]}; {_ADVICE}") from None
