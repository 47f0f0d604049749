"""Opens an artifact of an earlier run again."""

from pathlib import Path
from typing import Any

from cotdistill.api.results import Exported, Kept, NewPrompts, Responses, Result, Rows, Scores, Student
from cotdistill.api.stages import path_of
from cotdistill.artifacts import manifest_of, manifest_path, read_manifest
from cotdistill.errors import UsageError

_KINDS: dict[str, type[Result[Any]]] = {
    "generate": Responses,
    "expand": NewPrompts,
    "filter": Kept,
    "format": Rows,
    "finetune": Student,
    "evaluate": Scores,
    "export": Exported,
}


def read(path: str | Path) -> Result[Any]:
    """The result that the stage which wrote `path` returned then, by its manifest: a `Kept` for what filter wrote, and
    so on.

    Raises UsageError for a path that no stage wrote.
    """
    path = Path(path_of(path))
    manifest = (
        read_manifest(manifest_path(path)) if path.is_dir() and manifest_path(path).exists() else manifest_of(path)
    )
    if manifest is None or manifest.stage not in _KINDS:
        raise UsageError(f"{path}: no stage of cotdistill wrote it: it has no manifest beside it that lists it")
    return _KINDS[manifest.stage](path, manifest)
