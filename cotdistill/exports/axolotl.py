"""axolotl's datasets section, read from its 0.19 (schemas/datasets.py, prompt_strategies/chat_template.py)."""

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import artifacts
from cotdistill.artifacts import FileInfo, outputs
from cotdistill.artifacts.outputs import Place
from cotdistill.exports import check_layout

_LAYOUTS: dict[str, dict[str, Any]] = {
    "alpaca": {"type": "alpaca"},
    "sharegpt": {
        "type": "chat_template",
        "field_messages": "conversations",
        "message_property_mappings": {"role": "from", "content": "value"},
    },
    "think_messages": {"type": "chat_template", "field_messages": "messages"},
    "messages": {"type": "chat_template", "field_messages": "messages", "field_thinking": "reasoning_content"},
}
_MARK = "# Copy into your axolotl configuration; paths are seen from where axolotl is started."


@dataclass
class Export:
    """Settings with which axolotl finds the rows: a part of its configuration, beside them."""

    def check(self, layout: str) -> None:
        check_layout("axolotl", layout, _LAYOUTS)

    def places(self, train: Path, *, holdout: bool) -> list[Place]:
        return outputs.replaced(Place(_path(train), outputs.marked(_MARK.encode()), "--export axolotl"))

    def rows(self, train: Path, holdout: Path | None, layout: str, columns: Set[str]) -> FileInfo:
        """In YAML's JSON subset. Paths are as axolotl takes them: from where it is started."""
        lines = [_MARK]
        for key, file in (("datasets", train), ("test_datasets", holdout)):
            if file is not None:
                entry = {"path": str(file), "ds_type": "json", "split": "train", **_LAYOUTS[layout]}
                lines += [f"{key}:", f"- {msgspec.json.encode(entry).decode()}"]
        return artifacts.write_whole(_path(train), ("\n".join(lines) + "\n").encode())


def _path(train: Path) -> Path:
    return artifacts.sibling(train, "axolotl.yaml")
