"""Where the program of an engine is: on PATH, or beside the Python that runs this."""

import importlib.util
import shutil
import sys
from pathlib import Path


def program(name: str) -> str | None:
    """A virtual environment need not be activated for its programs to be found."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def missing(*packages: str) -> list[str]:
    """Those of these packages that this Python cannot import."""
    return [name for name in packages if importlib.util.find_spec(name) is None]
