"""Finds prompts that a student is asked and was trained on: an accuracy on those says nothing."""

from collections.abc import Sequence
from pathlib import Path

from cotdistill import artifacts
from cotdistill.artifacts import Manifest, json_lines, lineage
from cotdistill.artifacts.kinds import ROWS, kind_of
from cotdistill.chat.template import Row, Turn, conversation
from cotdistill.errors import CotDistillError
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.records import Message, Prompt


def note(student: str, prompts: Sequence[Prompt]) -> str | None:
    """A warning; None without overlap, or where the training data is gone or was changed since."""
    both = len(learnt(student, prompts))
    if not both:
        return None
    return (
        f"WARNING: {student} was trained on {both} of these {len(prompts)} prompts; its accuracy on them says nothing"
    )


def learnt(student: str, prompts: Sequence[Prompt]) -> list[Prompt]:
    """The prompts that the student was trained on, as far as its rows are still there unchanged."""
    trained = _trained_on(Path(student), set())
    return [prompt for prompt in prompts if _words(prompt.messages) in trained]


def _words(turns: Sequence[Message] | Sequence[Turn]) -> tuple[tuple[str, str], ...]:
    return tuple((turn.role, turn.content.strip()) for turn in turns)


def _trained_on(student: Path, seen: set[Path]) -> set[tuple[tuple[str, str], ...]]:
    """The prompts of the student's rows, those that it answered itself, and those of the students it was trained
    from."""
    if student in seen:
        return set()
    seen.add(student)
    try:
        if (manifest := lineage.of_student(student)) is None:
            return set()
        before = Path(str(manifest.options.get("student")))
        known = _trained_on(before if before.is_dir() else student.parent / before.name, seen)
        return known | _prompts(manifest, student)
    except (CotDistillError, ValueError):
        return set()


def _prompts(manifest: Manifest, student: Path) -> set[tuple[tuple[str, str], ...]]:
    """The prompts of a file that it was trained on, if the file is still as it was."""
    info = manifest.inputs[0]
    path = lineage.locate(Path(info.path), student.parent)
    if path is None or artifacts.sha256(path) != info.sha256:
        return set()
    if manifest.options.get("on_policy") and kind_of(path) != ROWS:
        return {_words(prompt.messages) for prompt in PromptFile.beside(path, questions_only=True)}
    return {_words(conversation(row)[0]) for row in json_lines.read_records(path, Row)}
