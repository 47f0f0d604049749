"""What is needed to ask a student as it was trained, and has no place in any other file of its directory."""

from pathlib import Path
from typing import Any

import msgspec

from cotdistill.artifacts import files

NAME = "cotdistill.json"
SINGLE_QUESTIONS = "cotdistill.single_questions"
"""The field of a GGUF file."""


class Settings(msgspec.Struct, frozen=True):
    """`chat_template_kwargs` is what the chat template must be given. `single_questions`: in training no answer of its
    own stood before a question; None in what was written before this was kept."""

    chat_template_kwargs: dict[str, Any] = msgspec.field(default_factory=dict)
    single_questions: bool | None = None


def read(student: str) -> Settings:
    """Of a directory, an adapter in it, or a .gguf file. Empty where there are none, or none that can be read."""
    place = Path(student)
    try:
        if place.suffix == ".gguf":
            return _of_file(place)
        if (place / "adapter_config.json").is_file() and not (place / NAME).is_file():
            place = place.absolute().parent  # finetune keeps the adapter within the student
        return msgspec.json.decode((place / NAME).read_bytes(), type=Settings)
    except (OSError, ValueError):
        return Settings()


def _of_file(path: Path) -> Settings:
    from cotdistill.students import gguf  # which brings torch

    found = gguf.header_of(path).get(SINGLE_QUESTIONS)
    return Settings(single_questions=found if isinstance(found, bool) else None)


def write(directory: Path, settings: Settings) -> None:
    content = msgspec.json.format(msgspec.json.encode(settings), indent=2)
    files.write_whole(directory / NAME, content + b"\n")
