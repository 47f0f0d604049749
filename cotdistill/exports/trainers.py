"""Settings with which other trainers read our rows: LLaMA-Factory's dataset_info.json and axolotl's datasets section.

Both take the trace from the content, or, axolotl, from `reasoning_content`; a layout whose trace they would drop is
refused. Read from LLaMA-Factory 0.9.5 (data/parser.py, data/converter.py) and axolotl 0.19 (schemas/datasets.py,
prompt_strategies/chat_template.py).
"""

from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import artifacts, plugins
from cotdistill.artifacts import FileInfo, outputs
from cotdistill.artifacts.outputs import Place
from cotdistill.errors import UsageError

_ROLES = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
_LLAMA_FACTORY: dict[str, dict[str, Any]] = {
    "alpaca": {"formatting": "alpaca", "columns": {"prompt": "instruction", "query": "input", "response": "output"}},
    "sharegpt": {"formatting": "sharegpt", "columns": {"messages": "conversations"}},
    "think_messages": {
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {**_ROLES, "system_tag": "system"},
    },
}
_AXOLOTL: dict[str, dict[str, Any]] = {
    "alpaca": {"type": "alpaca"},
    "sharegpt": {
        "type": "chat_template",
        "field_messages": "conversations",
        "message_property_mappings": {"role": "from", "content": "value"},
    },
    "think_messages": {"type": "chat_template", "field_messages": "messages"},
    "messages": {"type": "chat_template", "field_messages": "messages", "field_thinking": "reasoning_content"},
}
_KNOWN = {"llama-factory": _LLAMA_FACTORY, "axolotl": _AXOLOTL}


def check(exports: Sequence[str], layout: str) -> None:
    """Raises UsageError for a name nobody has, or a layout whose trace that trainer would lose."""
    for name in exports:
        if name not in _KNOWN:
            raise plugins.unknown("export", name, list(_KNOWN))
        if plugins.parse(layout)[0] not in _KNOWN[name]:
            raise UsageError(
                f"--export {name}: it would not find the trace in {layout} rows; use --format "
                f"{', '.join(sorted(_KNOWN[name]))}"
            )


def places(exports: Sequence[str], train: Path, *, holdout: bool) -> list[Place]:
    """The files that `export` will write. dataset_info.json is shared: entries of other data sets stay in it."""
    files = [train, *([artifacts.sibling(train, "holdout.jsonl")] if holdout else [])]

    def shared(path: Path) -> bool:
        entries = _entries(path)
        return all(entries.get(_entry_name(file), {}).get("file_name") in (None, file.name) for file in files)

    known = {
        "llama-factory": Place(_shared(train), shared, "--export llama-factory"),
        "axolotl": Place(_axolotl_path(train), outputs.marked(_AXOLOTL_MARK), "--export axolotl"),
    }
    return [place for name in dict.fromkeys(exports) for place in outputs.replaced(known[name])]


def export(
    exports: Sequence[str], train: Path, holdout: Path | None, layout: str, columns: Set[str]
) -> tuple[list[FileInfo], list[str]]:
    """Write the settings beside the rows; returns files and notes. `columns` are those of any row."""
    files, notes = [], []
    for name in dict.fromkeys(exports):
        write = _llama_factory if name == "llama-factory" else _axolotl
        files.append(write(train, holdout, layout, columns))
        notes.append(f"{files[-1].path}: settings for {name}")
    if exports and "weight" in columns:
        notes.append("the weights stand in the rows, but only cotdistill's finetune heeds them")
    return files, notes


def _shared(train: Path) -> Path:
    return train.with_name("dataset_info.json")


def _entry_name(file: Path) -> str:
    return file.name.removesuffix(".jsonl")


def _entries(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Any]]) if path.exists() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: {error}; fix or remove it, its other entries would be lost") from None


def _llama_factory(train: Path, holdout: Path | None, layout: str, columns: Set[str]) -> FileInfo:
    """Its entries stand in one file for all data sets of a directory: those of others stay."""
    path = _shared(train)
    entries = _entries(path)
    entry = msgspec.json.decode(msgspec.json.encode(_LLAMA_FACTORY[layout]))
    entry["columns"] |= {name: name for name in ("system", "history") if name in columns}
    for file in (train, holdout):
        if file is not None:
            entries[_entry_name(file)] = {"file_name": file.name, **entry}
    return artifacts.write_whole(path, msgspec.json.format(msgspec.json.encode(entries), indent=2) + b"\n")


def _axolotl_path(train: Path) -> Path:
    return artifacts.sibling(train, "axolotl.yaml")


_AXOLOTL_MARK = b"# Copy into your axolotl configuration; paths are seen from where axolotl is started."


def _axolotl(train: Path, holdout: Path | None, layout: str, columns: Set[str]) -> FileInfo:
    """A part of a configuration, in YAML's JSON subset. Paths are as axolotl takes them: from where it is started."""
    lines = [_AXOLOTL_MARK.decode()]
    for key, file in (("datasets", train), ("test_datasets", holdout)):
        if file is not None:
            entry = {"path": str(file), "ds_type": "json", "split": "train", **_AXOLOTL[layout]}
            lines += [f"{key}:", f"- {msgspec.json.encode(entry).decode()}"]
    return artifacts.write_whole(_axolotl_path(train), ("\n".join(lines) + "\n").encode())
