"""The student and the file that was made of it, asked the same: the same tokens in, how much of the same out."""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cotdistill.artifacts import lineage
from cotdistill.artifacts.json_lines import read_records
from cotdistill.chat import apply, template
from cotdistill.errors import CotDistillError
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.records import as_dicts
from cotdistill.students import load
from cotdistill.students.generator import Answer, Generator

Messages = Sequence[Mapping[str, str]]

QUESTIONS = 8
_OWN = (
    "What is 17 + 26?",
    "A train travels 60 miles in 1.5 hours. What is its speed?",
    "Name three primary colours.",
    "Is 91 a prime number? Why?",
    "Write a sentence with the word “naïve”.",
    "What is the capital of France?",
    "Sort these numbers: 9, 4, 12, 1.",
    "If a=6 and b=a*3, what is b?",
)
"""For a student whose training rows are not at hand."""


@dataclass(frozen=True)
class Agreement:
    """Pairs of answers: the student's, the file's."""

    pairs: list[tuple[Answer, Answer]]

    @property
    def same(self) -> int:
        return sum(one.text == other.text for one, other in self.pairs)

    @property
    def share(self) -> float:
        """Of the student's letters, those before the first difference."""
        common = sum(_common_start(one.text, other.text) for one, other in self.pairs)
        return common / max(1, sum(len(one.text) for one, _ in self.pairs))

    def check(self, output: Path, *, lossless: bool) -> None:
        """Raises CotDistillError where the weights are the same and the answers are not."""
        if lossless and self.same < len(self.pairs):
            one, other = next(pair for pair in self.pairs if pair[0].text != pair[1].text)
            raise CotDistillError(
                f"{output}: its weights are the student's, but not its answers: {one.text[:80]!r} became "
                f"{other.text[:80]!r}. Nothing was written; please report this"
            )

    def results(self) -> dict[str, Any]:
        return {"same_answers": self.same, "answers_compared": len(self.pairs), "same_text_share": self.share}

    def in_words(self) -> str:
        return f"{self.same} of {len(self.pairs)} greedy answers are the student's own, letter by letter"


def questions(student: str, chosen: Path | None) -> list[Messages]:
    """The first of the `chosen` file, of the rows that the student was trained on where they are still there, or some
    of our own."""
    if chosen is not None:
        found = [prompt.messages for prompt, _ in zip(PromptFile(chosen), range(QUESTIONS), strict=False)]
        return [as_dicts(messages) for messages in found]
    return _trained_on(Path(student)) or [[{"role": "user", "content": text}] for text in _OWN]


def compare(
    student: str, file: Path, suffix: str, asked: Sequence[Messages], max_tokens: int, threads: int | None
) -> Agreement:
    """Both in 32 bits, one after the other, so that one model at a time is in memory. The file stands under a partial
    name still, by which nothing knows what it is: it is read through a link with the right `suffix`.

    Raises CotDistillError where tokens, chat template or end tokens are not the student's."""
    with TemporaryDirectory() as folder:
        link = Path(folder) / f"student{suffix}"
        link.symlink_to(file.resolve())
        _check_reading(load.tokenizer(student), load.tokenizer(str(link)), asked, file)
        before = _answers(student, asked, max_tokens, threads)
        after = _answers(str(link), asked, max_tokens, threads)
    return Agreement(list(zip(before, after, strict=True)))


def _answers(name: str, asked: Sequence[Messages], max_tokens: int, threads: int | None) -> list[Answer]:
    generator = Generator(name, threads, dtype="float32")
    prompts = [generator.prompt(messages) for messages in asked]
    found = generator.answer(prompts, max_tokens=max_tokens, temperature=None, seeds=[0] * len(prompts))
    del generator
    gc.collect()
    return found


def _check_reading(own: Any, read: Any, asked: Sequence[Messages], file: Path) -> None:
    if own.chat_template != read.chat_template:
        raise CotDistillError(f"{file.name}: read back, its chat template is another; please report this")
    for messages in asked:
        text = apply.generation_prompt(own, messages) + _TRICKY
        if (one := template.encode(own, text)) != (other := template.encode(read, text)):
            at = next(
                (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
            )
            raise CotDistillError(
                f"{file.name}: read back, it cuts {own.decode(one[max(0, at - 3) : at + 3])!r} into other tokens than "
                f"the student; please report this"
            )


_TRICKY = "\n\n1.  12345 I'LL don't né 日本\t\t🙂 <think> x</think>\r\n  \n 3.14 "
"""What tokenizers cut in different ways."""


def _trained_on(directory: Path) -> list[Messages]:
    """Empty where the directory has no manifest of a training, or its rows are gone."""
    try:
        trained = lineage.of_student(directory)
        rows = Path(trained.inputs[0].path) if trained and trained.stage == "finetune" and trained.inputs else None
        if rows is None or not rows.is_file():
            return []
        found = [row for row, _ in zip(read_records(rows, template.Row), range(QUESTIONS), strict=False)]
        turns = [template.conversation(row)[0] for row in found]
    except (CotDistillError, ValueError):  # moved, or written over since: any questions will do
        return []
    return [[{"role": turn.role, "content": turn.content} for turn in one] for one in turns]


def _common_start(one: str, other: str) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
