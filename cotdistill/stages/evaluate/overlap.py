"""Prompts that a student is asked and was trained on: an accuracy on those says nothing."""

from collections.abc import Sequence
from pathlib import Path

from cotdistill import artifacts
from cotdistill.artifacts import json_lines, lineage
from cotdistill.chat.template import Row, Turn, conversation
from cotdistill.errors import CotDistillError
from cotdistill.records import Message, Prompt


def note(student: str, prompts: Sequence[Prompt]) -> str | None:
    """A note; None where there is no overlap, or where the training rows are gone or were changed since."""
    try:
        rows = _rows(Path(student))
        if rows is None:
            return None
        trained = {_words(conversation(row)[0]) for row in json_lines.read_records(rows, Row)}
    except (CotDistillError, ValueError):
        return None
    both = sum(_words(prompt.messages) in trained for prompt in prompts)
    if not both:
        return None
    return (
        f"WARNING: {student} was trained on {both} of these {len(prompts)} prompts; its accuracy on them says nothing"
    )


def _words(turns: Sequence[Message] | Sequence[Turn]) -> tuple[tuple[str, str], ...]:
    return tuple((turn.role, turn.content.strip()) for turn in turns)


def _rows(student: Path) -> Path | None:
    """The file that it was trained on, as it was then."""
    if not (student / "manifest.json").is_file():
        return None
    info = artifacts.read_manifest(student / "manifest.json").inputs[0]
    path = lineage.locate(Path(info.path), student.parent)
    return path if path and artifacts.sha256(path) == info.sha256 else None
