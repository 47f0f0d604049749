"""The kinds of task that `cotdistill init` knows: how the teacher is asked, how its answers are judged, and samples."""

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cotdistill import plugins
from cotdistill.recipes import samples
from cotdistill.recipes.samples import SEED, Recorded, Sample

JUDGE = "{judge}"
"""In `Task.verify`: where the judge's name stands."""

LABELS = "{labels}"
"""In `Task.verify`: where the labels stand."""

OTHER = "other"
"""What none of the others fits: questions in SQL, translations, …"""


@dataclass(frozen=True)
class Task:
    """`template` is how the teacher is asked, `verify` how answers are judged; both None for the defaults. Samples are
    `count` prompts drawn by `sample`; without it they are chains, which a scripted teacher solves. `answers`: of the
    teacher to each prompt."""

    about: str
    template: str | None
    verify: str | None
    count: int
    sample: Callable[[random.Random], Sample] | None
    answers: int = 4
    remark: str = ""
    """One line for the person, besides."""


TASKS: dict[str, Task] = {
    "maths": Task("worked maths", None, "math", 600, None),
    "choice": Task("multiple choice", "choice_words", "choice", 240, samples.largest),
    "classification": Task(
        "classification with a rationale", "classification", f"label:labels={LABELS}", 240, samples.ticket
    ),
    "extraction": Task("a value out of a passage", "extraction", "exact", 300, samples.order),
    "chat": Task("conversations of several turns", "answer_only", "exact", 300, samples.guest),
    "code": Task(
        "code with tests",
        "code",
        "code",
        120,
        samples.function,
        answers=2,
        remark="--verify code runs the answers, shut off from this machine: by bubblewrap, else by user namespaces.",
    ),
    OTHER: Task(
        "another kind of task",
        None,
        None,
        600,
        None,
        remark="Answers are compared with the references as these read: numbers, options, else the same words. Where "
        "that does not fit, name a judge or a verifier of yours in the recipe (one file: docs/plugins.md).",
    ),
    "judge": Task("free-form answers with a judge", "worked", f"judge:teacher={JUDGE}", 300, samples.older),
}


def find(name: str) -> Task:
    """Raises UsageError for a task there is not."""
    if name not in TASKS:
        raise plugins.unknown("task", name, TASKS)
    return TASKS[name]


@dataclass(frozen=True)
class Files:
    """The lines of a task's samples: prompts, the teacher's recorded answers to them, and a judge's verdicts on those;
    the latter two are empty where nothing needs them."""

    prompts: list[str]
    teacher: list[str]
    verdicts: list[str]


def files(name: str) -> Files:
    task = find(name)
    if task.sample is None:
        return Files(_numbered(name, samples.chains(task.count)), [], [])
    drawn = samples.draw(task.sample, task.count)
    lots = random.Random(SEED)
    teacher = [
        json.dumps(_answered(sample.fields, answer))
        for sample in drawn
        for answer in sample.recorded(task.answers, lots)
    ]
    verdicts = _verdicts(drawn) if task.verify and JUDGE in task.verify else []
    return Files(_numbered(name, (sample.fields for sample in drawn)), teacher, verdicts)


def _numbered(name: str, fields: Iterable[dict[str, Any]]) -> list[str]:
    return [json.dumps({"id": f"{name}-{number}", **one}) for number, one in enumerate(fields, 1)]


def _answered(fields: dict[str, Any], answer: Recorded) -> dict[str, Any]:
    """A line of recorded answers: the prompt's own columns, its reference replaced by what the teacher said."""
    if "messages" in fields:
        said = {"role": "assistant", "content": answer.text}
        return {"messages": [*fields["messages"][:-1], said], "reasoning": answer.reasoning}
    return {**fields, "reasoning": answer.reasoning, "answer": answer.text}


def _verdicts(drawn: Iterable[Sample]) -> list[str]:
    """What a judge says of each right answer, and, known by the question alone, of any other."""
    from cotdistill.records import Message, Prompt
    from cotdistill.verifiers import judge

    lines = []
    for sample in drawn:
        question, reference = str(sample.fields["question"]), str(sample.fields["answer"])
        prompt = Prompt(id="", messages=(Message(role="user", content=question),), reference=reference)
        lines.append({"question": question, "answer": "It says something else.\n\nVERDICT: INCORRECT"})
        for answer in sample.right:
            asked = judge.question(prompt, answer.text)
            lines.append({"question": asked, "answer": "It says the same.\n\nVERDICT: CORRECT"})
    return [json.dumps(line) for line in lines]


def labels(task: Task) -> list[str]:
    """The classes of a task's samples."""
    drawn = samples.draw(task.sample, task.count) if task.sample else []
    return sorted({str(sample.fields["answer"]) for sample in drawn})
