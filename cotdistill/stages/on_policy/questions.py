"""What the student is asked: prompts of any file, with the teacher's traces where the file has some."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cotdistill.answers.extract import final_answer
from cotdistill.artifacts import json_lines
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.artifacts.kinds import JUDGED, ROWS, kind_of
from cotdistill.chat.template import Row, Turn, conversation
from cotdistill.config import FinetuneConfig
from cotdistill.errors import CotDistillError
from cotdistill.inputs.prompt_files import NamedColumns, PromptFile
from cotdistill.records import Judged, Message, Prompt

VERIFIED = ("correct", "unverified")
"""Verdicts on an answer that may be shown: right, or without anything to judge it by."""


@dataclass(frozen=True)
class Question:
    """`solved` is the teacher's answer with its trace, where the file has one."""

    prompt: Prompt
    solved: Turn | None = None


def read(path: Path, config: FinetuneConfig, bad: BadLines) -> tuple[list[Question], str]:
    """Each prompt once, with its first trace, and how the file was read. Raises CotDistillError for a line that is no
    prompt and for a file without one."""
    kind = kind_of(path) if path.is_file() else None
    if kind == JUDGED:
        found, how = _once(_of_judged(path, bad)), "the prompts of judged responses, with their traces"
    elif kind == ROWS:
        found, how = _once(_of_rows(path, bad)), "the prompts of training rows, with their traces"
    else:
        file = PromptFile(path, NamedColumns.of(config), bad=bad)
        found, how = [Question(prompt) for prompt in file], file.describe()
    if not found:
        raise CotDistillError(f"{path}: no prompts in it")
    return found, how


def _once(questions: Iterator[Question]) -> list[Question]:
    first: dict[str, Question] = {}
    for one in questions:
        if one.prompt.id not in first or (first[one.prompt.id].solved is None and one.solved):
            first[one.prompt.id] = one
    return list(first.values())


def _of_judged(path: Path, bad: BadLines) -> Iterator[Question]:
    for judged in json_lines.read_records(path, Judged, bad):
        response = judged.response
        solved = Turn("assistant", response.text, response.reasoning)
        right = judged.verdict.status in VERIFIED and response.stop_reason == "stop"
        yield Question(response.prompt, solved if right else None)


def _of_rows(path: Path, bad: BadLines) -> Iterator[Question]:
    """A row's answer was verified before it became one, so its final answer is a reference."""
    for number, row in json_lines.read_numbered(path, Row, bad):
        try:
            history, last = conversation(row)
            messages = tuple(Message(role=turn.role, content=turn.content) for turn in history)
            found = final_answer(last.content)
            name = row.id.rpartition("/")[0] or row.id
            prompt = Prompt(id=name, messages=messages, reference=found.answer if found else None)
        except ValueError as error:
            bad.add(path, number, repr(row), str(error))
            continue
        yield Question(prompt, last)


def turns_shown(question: Question) -> Sequence[Turn]:
    """The conversation as the student sees it when it scores its own answer: its last turn holds the trace.

    On-Policy Self-Distillation (2026, https://arxiv.org/abs/2601.18734)."""
    turns = [Turn(one.role, one.content) for one in question.prompt.messages]
    if question.solved is None:
        return turns
    last = max(place for place, turn in enumerate(turns) if turn.role == "user")
    worked = "\n\n".join(filter(None, (question.solved.reasoning_content, question.solved.content)))
    turns[last] = Turn("user", f"{turns[last].content}\n\n{_LEAD}\n\n{worked}\n\n{_CLOSE}")
    return turns


_LEAD = "Here is a solution that is known to be right:"
_CLOSE = "Now solve the problem yourself, step by step, in your own words."
