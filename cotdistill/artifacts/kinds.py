"""What a file without a manifest holds, judged by the fields of its first record."""

from pathlib import Path
from typing import Any

import msgspec

from cotdistill.artifacts.opening import PACKED, open_input
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
    """Raises UsageError for a file whose first record is one that `written_by` does not write, and for one that holds
    no lines: compressed, or a table. A file of unknown kind is left to the reader of its records."""
    _check_lines(path, stage, written_by)
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


_UNPACKING = {".gz": "gunzip -k", ".bz2": "bunzip2 -k", ".xz": "unxz -k", ".zst": "unzstd"}


def _check_lines(path: Path, stage: str, written_by: str) -> None:
    with open_input(path) as file:
        head = file.read(6)
    for magic, ending in PACKED.items():
        if head.startswith(magic):
            raise UsageError(
                f"{path}: is compressed ({ending}), and {stage} reads it from any place on; unpack it first: "
                f"{_UNPACKING[ending]} {path}"
            )
    if head.startswith(b"PAR1"):
        raise UsageError(f"{path}: is a Parquet file; {stage} reads JSON lines, as `{written_by}` writes them")


def _first(path: Path) -> dict[str, Any] | None:
    with open_input(path) as file:
        line = next((line for line in iter(lambda: file.readline(10_000_000), b"") if line.strip()), b"")
    try:
        return msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
