"""Questions -> the tokens that the student reads, and the tokens that its teacher reads where these differ."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cotdistill.artifacts.json_lines import BadLines
from cotdistill.chat.apply import generation_prompt
from cotdistill.chat.template import Row, encode, opens_think, render
from cotdistill.config import FinetuneConfig
from cotdistill.config.on_policy import TEACHES_ALONE
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.records import as_dicts
from cotdistill.stages.on_policy.questions import Question, turns_shown
from cotdistill.students.prompts import Prompt


@dataclass
class TokenisedPrompts:
    """The questions that can be asked, and what is read of each."""

    questions: list[Question] = field(default_factory=list)
    read: list[Prompt] = field(default_factory=list)
    """What the student reads, question by question."""
    shown: list[Sequence[int]] | None = None
    """What the student reads where it is its own teacher: the teacher's trace too. None with another teacher."""
    left_out: dict[str, int] = field(default_factory=dict)
    """How many questions cannot be asked, by reason."""

    @property
    def notes(self) -> list[str]:
        return [f"{count} {_REASONS[reason]} and are left out" for reason, count in self.left_out.items()]


_REASONS = {
    "prompts_too_long": "prompts leave no room for an answer of --max-output-tokens within --max-length",
    "prompts_without_trace": "prompts have no trace to show",
}


def tokenise(
    questions: Sequence[Question], tokenizer: Any, config: FinetuneConfig, path: Path, bad: BadLines
) -> TokenisedPrompts:
    """Raises CotDistillError for a prompt that the student's template refuses, unless `bad` takes such prompts, and
    where no prompt is left."""
    found = TokenisedPrompts(shown=[] if config.teacher == TEACHES_ALONE else None)
    most = min(config.max_length, tokenizer.model_max_length) - config.max_output_tokens
    for number, one in enumerate(questions, 1):
        if found.shown is not None and one.solved is None:
            _count(found, "prompts_without_trace")
            continue
        try:
            read, shown = _read(one, tokenizer), _shown(one, tokenizer) if found.shown is not None else []
        except (CotDistillError, ValueError) as error:
            bad.add(path, number, one.prompt.id, f"prompt {one.prompt.id!r}: {error}")
            continue
        if max(len(read.ids), len(shown)) > most:
            _count(found, "prompts_too_long")
            continue
        found.questions.append(one)
        found.read.append(read)
        if found.shown is not None:
            found.shown.append(shown)
    if not found.questions:
        _refuse(found, path, most)
    return found


def _read(question: Question, tokenizer: Any) -> Prompt:
    text = generation_prompt(tokenizer, as_dicts(question.prompt.messages))
    goes_on = any(turn.role == "assistant" for turn in question.prompt.messages)
    return Prompt(encode(tokenizer, text), opens_think(text), goes_on)


def _shown(question: Question, tokenizer: Any) -> list[int]:
    """Rendered as a row, so that text which spells a control token is refused."""
    assert question.solved is not None
    row = Row(question.prompt.id, tuple(turns_shown(question)), (question.solved,))
    rendered = render(tokenizer, row)
    return rendered.input_ids[: rendered.n_prompt]


def _count(found: TokenisedPrompts, reason: str) -> None:
    found.left_out[reason] = found.left_out.get(reason, 0) + 1


def _refuse(found: TokenisedPrompts, path: Path, most: int) -> None:
    if found.left_out.get("prompts_without_trace"):
        raise UsageError(
            f"--teacher {TEACHES_ALONE}: {path} holds no traces. The student scores its answers while it sees the "
            "teacher's: give what filter kept, or the rows that format wrote"
        )
    raise CotDistillError(
        f"{path}: no prompt of at most {most} tokens, which --max-length and --max-output-tokens leave room for"
    )
