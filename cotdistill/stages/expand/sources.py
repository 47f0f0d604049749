"""What new prompts are made from: the seeds of a prompt file, or passages of documents."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cotdistill.answers.extract import cut_reference
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.config import ExpandConfig
from cotdistill.errors import CotDistillError
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.progress import Progress
from cotdistill.records import Message, Prompt, question_of

_OPEN_VERIFIERS = ("code", "judge", "json_schema", "regex")
"""Of tasks whose right answers are many: they cannot be counted as votes."""

_SHORT_LETTERS = 60
"""A longer reference is an essay, not something that several answers say alike."""


@dataclass(frozen=True)
class Source:
    """A seed, or a passage. `text` is what the teacher is shown; `prompt` is the seed, and of a passage the passage as
    one. `tags` are those that the new prompts get from it."""

    id: str
    text: str
    prompt: Prompt
    tags: dict[str, str] = field(default_factory=dict)

    def written(self, id: str, text: str, tags: dict[str, str]) -> Prompt:
        """The seed with `text` in the place of its question."""
        turns = (*self.prompt.messages[:-1], Message(role="user", content=text))
        return Prompt(id=id, messages=turns, verifier=self.prompt.verifier, tags={**tags, **self.tags})


def of_prompts(path: Path, config: ExpandConfig, bad: BadLines, progress: Progress) -> list[Source]:
    """The seeds, in file order. One whose question stands on earlier turns is left out, and counted: without them it
    could not be understood. Raises CotDistillError where none is left."""
    file = PromptFile(
        path,
        prompt_field=config.prompt_field,
        reference_field=config.reference_field,
        id_field=config.id_field,
        limit=config.limit,
        bad=bad,
    )
    prompts = list(file)
    progress.note(f"{path}: {file.describe()}")
    alone = [one for one in prompts if all(turn.role == "system" for turn in one.messages[:-1])]
    if not alone:
        raise CotDistillError(
            f"{path}: expected prompts of one question each, found conversations of several turns only"
        )
    if left := len(prompts) - len(alone):
        progress.note(f"{left:,} of {len(prompts):,} seeds are conversations of several turns and are left out")
    return [Source(one.id, question_of(one), one) for one in alone]


def are_open(sources: Sequence[Source]) -> bool | None:
    """Whether most questions have no short answer that several samples could agree on; None where no seed says so by
    its reference."""
    known = [one.prompt for one in sources if one.prompt.reference is not None]
    if not known:
        return None
    return sum(map(_is_open, known)) > len(known) / 2


def _is_open(prompt: Prompt) -> bool:
    verifier = (prompt.verifier or "").partition(":")[0]
    return verifier in _OPEN_VERIFIERS or len(cut_reference(prompt.reference or "")) > _SHORT_LETTERS
