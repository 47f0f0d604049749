"""Where the store of a person's answers lies."""

import os
from pathlib import Path


def store_path(given: str | Path | None = None) -> Path:
    """What --cache names, else $COTDISTILL_CACHE, else a file in the user's data directory. `~` is the home directory
    wherever it comes from: no shell has looked at a variable or a recipe."""
    return Path(given).expanduser() if given else default_path()


def default_path() -> Path:
    if chosen := os.environ.get("COTDISTILL_CACHE"):
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("cotdistill")) / "responses.sqlite"
