"""Prompts from the Hugging Face hub: `hf:NAME[:CONFIG]:SPLIT` becomes a local JSONL file, one for each revision.

So a stage reads a file like any other, its manifest holds the file's hash, and a new revision is a new input.
NAME may be a local directory that `datasets.load_dataset` opens.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cotdistill import artifacts
from cotdistill.artifacts import ArtifactWriter
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.store.location import default_path

_PREFIX = "hf:"
_FORM = "hf:NAME:SPLIT or hf:NAME:CONFIG:SPLIT, such as hf:openai/gsm8k:main:train"

FETCHING_S = 3600.0
"""Seconds that another run may take to fetch the same data set."""


def fetch(source: Path, note: Callable[[str], None]) -> Path:
    """The path itself, or for an `hf:` name the file with its rows. Where the hub does not answer, the newest one
    fetched before.

    Raises UsageError for a malformed name, CotDistillError where the hub has no such data set.
    """
    name = str(source)
    if not name.startswith(_PREFIX):
        return source
    parts = name.removeprefix(_PREFIX).split(":")
    if len(parts) not in (2, 3) or not all(parts):
        raise UsageError(f"{name}: expected {_FORM}")
    repository, config, split = parts[0], parts[1] if len(parts) == 3 else None, parts[-1]
    stem = "-".join("".join(letter if letter.isalnum() else "_" for letter in part) for part in parts)
    folder = default_path().parent / "prompts"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        revision = _revision(repository)
    except ConnectionError as error:
        known = sorted(folder.glob(f"{stem}-*.jsonl"), key=lambda file: file.stat().st_mtime)
        if not known:
            raise CotDistillError(f"{name}: cannot ask the hub for it: {_first_line(error)}") from None
        note(f"WARNING: {name}: the hub does not answer; using what was fetched before, {known[-1]}")
        return known[-1]
    target = folder / f"{stem}-{revision[:12]}.jsonl"
    if revision != "local" and target.exists():
        return target
    note(f"{name}: fetching revision {revision[:12]}")
    with artifacts.lock(target, wait_s=FETCHING_S):
        if revision == "local" or not target.exists():  # another run may have fetched it meanwhile
            _write(target, _rows(name, repository, config, split, None if revision == "local" else revision))
    return target


def _revision(repository: str) -> str:
    """The hub's commit, or "local" for a directory. Raises ConnectionError where the hub does not answer."""
    if Path(repository).is_dir():
        return "local"
    _need_datasets()
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, RepositoryNotFoundError

    try:
        return str(HfApi().dataset_info(repository, timeout=30).sha)
    except (RepositoryNotFoundError, HFValidationError):
        raise CotDistillError(
            f"hf:{repository}: no directory here, and the hub has no such data set; for a private one, `hf auth login`"
        ) from None
    except (httpx2.HTTPError, HfHubHTTPError, OfflineModeIsEnabled) as error:
        raise ConnectionError(str(error)) from None


def _rows(name: str, repository: str, config: str | None, split: str, revision: str | None) -> Any:
    _need_datasets()
    import datasets

    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(repository, config, split=split, revision=revision)
    except (OSError, ValueError) as error:  # no such config or split, no data files
        raise CotDistillError(f"{name}: cannot be read: {_first_line(error)}. Expected {_FORM}") from None


def _write(target: Path, rows: Any) -> None:
    with ArtifactWriter(target) as writer:
        for row in rows:
            writer.write(row)
        writer.commit()


def _need_datasets() -> None:
    try:
        import datasets  # noqa: F401
    except ImportError:
        raise CotDistillError("reading from the hub needs the extra train: pip install 'cotdistill[train]'") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
