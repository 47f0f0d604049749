"""LLaMA-Factory's dataset_info.json, read from its 0.9.5 (data/parser.py, data/converter.py)."""

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import artifacts
from cotdistill.artifacts import FileInfo, outputs
from cotdistill.artifacts.outputs import Place
from cotdistill.errors import UsageError
from cotdistill.exports import check_layout

_ROLES = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
_LAYOUTS: dict[str, dict[str, Any]] = {
    "alpaca": {"formatting": "alpaca", "columns": {"prompt": "instruction", "query": "input", "response": "output"}},
    "sharegpt": {"formatting": "sharegpt", "columns": {"messages": "conversations"}},
    "think_messages": {
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {**_ROLES, "system_tag": "system"},
    },
}
"""It takes the trace from the content alone, so a layout with a field of its own for it is not here."""


@dataclass
class Export:
    """Settings with which LLaMA-Factory finds the rows: dataset_info.json beside them."""

    def check(self, layout: str) -> None:
        check_layout("llama-factory", layout, _LAYOUTS)

    def places(self, train: Path, *, holdout: bool) -> list[Place]:
        """The file is shared: entries of other data sets stay in it."""
        files = [train, *([artifacts.sibling(train, "holdout.jsonl")] if holdout else [])]

        def shared(path: Path) -> bool:
            entries = _entries(path)
            return all(entries.get(_entry_name(file), {}).get("file_name") in (None, file.name) for file in files)

        return outputs.replaced(Place(_path(train), shared, "--export llama-factory"))

    def rows(self, train: Path, holdout: Path | None, layout: str, columns: Set[str]) -> FileInfo:
        path = _path(train)
        entry = msgspec.json.decode(msgspec.json.encode(_LAYOUTS[layout]))
        entry["columns"] |= {name: name for name in ("system", "history") if name in columns}
        with artifacts.lock(path, wait_s=artifacts.SHARED_S):  # another run of format may add its entry too
            entries = _entries(path)
            for file in (train, holdout):
                if file is not None:
                    entries[_entry_name(file)] = {"file_name": file.name, **entry}
            return artifacts.write_whole(path, msgspec.json.format(msgspec.json.encode(entries), indent=2) + b"\n")


def _path(train: Path) -> Path:
    return train.with_name("dataset_info.json")


def _entry_name(file: Path) -> str:
    return file.name.removesuffix(".jsonl")


def _entries(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Any]]) if path.exists() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: {error}; fix or remove it, its other entries would be lost") from None
