"""Where the store of a person's answers lies."""

import os
from pathlib import Path


def default_path() -> Path:
    if chosen := os.environ.get("COTDISTILL_CACHE"):
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_data_dir("cotdistill")) / "responses.sqlite"
