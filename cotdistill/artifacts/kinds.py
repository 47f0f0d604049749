"""What a file without a manifest holds, judged by the fields of its first record."""

from pathlib import Path
from typing import Any

import msgspec

from cotdistill.artifacts.opening import open_input
from cotdistill.errors import UsageError

JUDGED = "judged responses"
ROWS = "training rows"
PAIRS = "preference pairs"

_KINDS: tuple[tuple[str, frozenset[str], str], ...] = (
    ("generate", frozenset({"prompt", "sample", "text"}), "responses"),
    ("filter", frozenset({"response", "verdict"}), JUDGED),
    ("filter", frozenset({"judged", "filter", "reason"}), "dropped responses"),
    ("format", frozenset({"id", "prompt", "completion"}), ROWS),
    ("format", frozenset({"id", "messages", "weight"}), ROWS),
    ("format", frozenset({"prompt", "chosen", "rejected"}), PAIRS),
    ("", frozenset({"messages"}), "prompts"),
    ("", frozenset({"question"}), "prompts"),
    ("", frozenset({"problem"}), "prompts"),
    ("", frozenset({"instruction"}), "prompts"),
    ("", frozenset({"prompt"}), "prompts"),
)
"""The stage that writes such records, the fields that identify them, and their name. The first match counts."""


_OF_ROWS = ("messages", "prompt", "instruction")
"""A user's own training rows may be identified by these fields alone."""


def kind_of(path: Path) -> str | None:
    """What a file holds, such as JUDGED; None where its first record has none of the known fields."""
    found = _first(path)
    return next((name for _, fields, name in _KINDS if found is not None and fields <= found.keys()), None)


def check_kind(path: Path, stage: str, written_by: str) -> None:
    """Raises UsageError for a file whose first record is one that `written_by` does not write. A file of unknown kind
    is left to the reader of its records."""
    found = _first(path)
    if found is None:
        return
    for writer, fields, name in _KINDS:
        if fields <= found.keys():
            may_be_rows = written_by == "format" and not writer and not fields.isdisjoint(_OF_ROWS)
            if writer != written_by and not may_be_rows:
                made = f"; `{writer}` writes such" if writer else ""
                raise UsageError(f"{path}: holds {name}{made}. {stage} reads what `{written_by}` writes")
            return


def _first(path: Path) -> dict[str, Any] | None:
    with open_input(path) as file:
        line = next((line for line in iter(lambda: file.readline(10_000_000), b"") if line.strip()), b"")
    try:
        return msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
