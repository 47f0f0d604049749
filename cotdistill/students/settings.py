"""What is needed to ask a student as it was trained, where no other file in its directory has a place for it."""

from pathlib import Path
from typing import Any

import msgspec

from cotdistill.artifacts import files

NAME = "cotdistill.json"


class Settings(msgspec.Struct, frozen=True):
    """`chat_template_kwargs` is what the chat template must be given. `single_questions`: in training no answer of its
    own stood before a question; None in what was written before this was kept."""

    chat_template_kwargs: dict[str, Any] = msgspec.field(default_factory=dict)
    single_questions: bool | None = None


def read(student: str) -> Settings:
    """Empty where the student has none, or none that can be read."""
    try:
        return msgspec.json.decode((Path(student) / NAME).read_bytes(), type=Settings)
    except (OSError, ValueError):
        return Settings()


def write(directory: Path, settings: Settings) -> None:
    content = msgspec.json.format(msgspec.json.encode(settings), indent=2)
    files.write_whole(directory / NAME, content + b"\n")
