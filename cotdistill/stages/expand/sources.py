"""What new prompts are made from: the seeds of a prompt file, or passages of documents."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cotdistill import artifacts
from cotdistill.answers.worked import cut_reference
from cotdistill.artifacts.json_lines import BadLines
from cotdistill.config import ExpandConfig
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.expanders import PASSAGE_LETTERS, Expander
from cotdistill.inputs.documents import Documents, is_document
from cotdistill.inputs.prompt_files import NamedColumns, PromptFile
from cotdistill.progress import Progress
from cotdistill.records import Message, Prompt, is_by_majority, question_of
from cotdistill.stages.expand import quotes
from cotdistill.wording import counted

_OPEN_VERIFIERS = ("code", "judge", "json_schema", "regex")
"""Verifiers of tasks with many right answers, which cannot be counted as votes."""

SAMPLES = 4
"""The default number of answers to each new prompt, where the seeds have short references."""

_SHORT_LETTERS = 60
"""A longer reference is an essay, which no two answers say alike."""


@dataclass(frozen=True)
class Source:
    """A seed, or a passage. `text` is shown to the teacher; `prompt` is the seed, or the passage as a prompt. New
    prompts get the `tags`."""

    id: str
    text: str
    prompt: Prompt
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether the reference says that many answers are right, so that several answers cannot be compared."""
        return self.prompt.reference is not None and _is_open(self.prompt)

    @property
    def has_known_answer(self) -> bool:
        """Whether the reference is short, and not an unverified one of an earlier expand."""
        return self.prompt.reference is not None and not self.is_open and not is_by_majority(self.prompt)

    @property
    def system(self) -> str:
        """The system prompt, which every new prompt keeps."""
        return "\n\n".join(turn.content for turn in self.prompt.messages if turn.role == "system")

    def written(self, id: str, text: str, tags: dict[str, str]) -> Prompt:
        """The seed with `text` in the place of its question."""
        turns = (*self.prompt.messages[:-1], Message(role="user", content=text))
        return Prompt(id=id, messages=turns, verifier=self.prompt.verifier, tags={**tags, **self.tags})


def reads_documents(expanders: dict[str, Expander]) -> bool:
    return any(getattr(one, "reads_documents", False) for one in expanders.values())


def read_sources(
    seeds: Path,
    config: ExpandConfig,
    expanders: dict[str, Expander],
    current: artifacts.Run,
    bad: BadLines,
    progress: Progress,
) -> list[Source]:
    """The seeds, or the passages of the documents, in their order; recorded as inputs of this run."""
    if reads_documents(expanders):
        return _of_documents(seeds, config, expanders, current, progress)
    if is_document(seeds):
        raise UsageError(f"{seeds}: expected a file of prompts; for questions about documents --method document")
    current.read(seeds)
    return _of_prompts(seeds, config, bad, progress)


def _of_documents(
    path: Path, config: ExpandConfig, expanders: dict[str, Expander], current: artifacts.Run, progress: Progress
) -> list[Source]:
    letters = next(getattr(one, "letters", PASSAGE_LETTERS) for one in expanders.values())
    documents = Documents(path, letters)
    found: list[Source] = []
    progress.begin(f"read {path}", None)
    for passage in documents.passages():
        progress.update(len(documents.read) + len(documents.skipped), f"files, {counted(len(found), 'passage')}")
        prompt = Prompt(id=f"{passage.file}#{passage.number}", messages=(Message(role="user", content=passage.text),))
        found.append(Source(prompt.id, passage.text, prompt, {"file": passage.file, "place": passage.place}))
    for file in documents.read:
        current.read(file)
    progress.note(f"{path}: {documents.describe()}, {counted(len(found), 'passage')}")
    current.notes += documents.notes()
    if not found:
        raise CotDistillError(
            f"{path}: expected a document with a {documents.wanted}, found none; {documents.describe()}"
        )
    return found[: config.limit]


def _of_prompts(path: Path, config: ExpandConfig, bad: BadLines, progress: Progress) -> list[Source]:
    """The seeds in file order. A seed whose question depends on earlier turns is left out and counted. Raises
    CotDistillError where no seed is left."""
    file = PromptFile(path, NamedColumns.of(config), limit=config.limit, bad=bad)
    prompts = list(file)
    progress.note(f"{path}: {file.describe()}")
    alone = [one for one in prompts if all(turn.role == "system" for turn in one.messages[:-1])]
    if not alone:
        raise CotDistillError(
            f"{path}: expected prompts of one question each, found conversations of several turns only"
        )
    if left := len(prompts) - len(alone):
        progress.note(f"seeds left out, for they are conversations of several turns: {left:,} of {len(prompts):,}")
    return [Source(one.id, question_of(one), one) for one in alone]


def samples_per_prompt(
    config: ExpandConfig, sources: Sequence[Source], expanders: dict[str, Expander], current: artifacts.Run
) -> int:
    """The number of answers to each new prompt. Raises UsageError where the answers could not be compared."""
    documents = reads_documents(expanders)
    if documents and all(map(quotes.are_made_by, expanders.values())):
        if config.samples:
            raise UsageError(f"--samples {config.samples}: the references are words of the passages; leave it out")
        current.notes.append("the references of the new prompts are words of their passages")
        return 0
    is_open = True if documents else _are_open(sources)
    if config.samples and is_open:
        what = "questions about documents have" if documents else "most seeds have long references, so they have"
        raise UsageError(
            f"--samples {config.samples}: {what} no short answer that several samples could agree on; leave it out and "
            f"verify the answers later (filter --verify judge:…)"
        )
    if config.samples is not None:
        return config.samples
    if is_open is False:
        return SAMPLES
    current.notes.append(
        "the new prompts have no reference: "
        + (
            "their questions are open"
            if is_open
            else "no seed has one to say what an answer looks like; --samples 4 asks"
        )
    )
    return 0


def _are_open(sources: Sequence[Source]) -> bool | None:
    """Whether most questions have no short answer that several samples could agree on; None where no seed's reference
    says so."""
    known = [one for one in sources if one.prompt.reference is not None]
    if not known:
        return None
    return sum(one.is_open for one in known) > len(known) / 2


def _is_open(prompt: Prompt) -> bool:
    verifier = (prompt.verifier or "").partition(":")[0]
    return verifier in _OPEN_VERIFIERS or len(cut_reference(prompt.reference or "")) > _SHORT_LETTERS
