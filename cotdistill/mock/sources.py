"""Where the embedded teacher takes its answers from: the scripted solver, or recorded solutions."""

import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from cotdistill.config.embedded import SCRIPTED
from cotdistill.errors import UsageError
from cotdistill.inputs import recordings
from cotdistill.mock import problems, quoting, solver, writer

SIMULATED = "I am a simulated teacher"
"""How it begins to say that it has no answer."""


class Answer(NamedTuple):
    """`text` is the visible answer; a source without a separate trace leaves `reasoning` None."""

    reasoning: str | None
    text: str


class Source(Protocol):
    name: str

    def answer(self, question: str, sample: int) -> Answer: ...


def open_source(name: str, *, seed: int = 0, columns: recordings.Columns = recordings.USUAL) -> Source:
    """`digit-chains`, or a file of recorded solutions. Raises UsageError for anything else."""
    if name == SCRIPTED:
        return Scripted(seed)
    if Path(name).is_dir():
        raise UsageError(f"teacher mock:{name}: is a directory; give a file of recorded solutions in it")
    if not Path(name).is_file():
        if Path(name).suffix or len(Path(name).parts) > 1:
            raise UsageError(f"teacher mock:{name}: no such file; give one with recorded solutions, or mock:{SCRIPTED}")
        raise UsageError(f"no simulated teacher named {name!r}; there is {SCRIPTED!r}, or a file of recorded solutions")
    return Replay.load(Path(name), columns)


@dataclass
class Scripted:
    """Solves chains of last-digit operations, with a habit of forgetting to borrow, and writes new ones; asks for words
    of a passage, and finds them."""

    seed: int = 0
    name: str = SCRIPTED

    def answer(self, question: str, sample: int) -> Answer:
        if (text := writer.written(question, sample, self.seed)) is not None:
            return Answer(None, text)
        if (found := quoting.answer(question, random.Random(f"{self.seed}/{sample}/quote/{question}"))) is not None:
            return Answer(*found)
        problem = problems.parse(question)
        if problem is None and problems.looks_like_one(question):
            return Answer(None, "This cannot be answered: one of its steps stands on a letter that is not given.")
        if problem is None:
            return Answer(None, f"{SIMULATED} and solve only chains such as: a=6 b=a*3 c=b-9 c?")
        return Answer(*solver.solve(problem, sample, self.seed))


@dataclass
class Replay:
    """Answers a known question with recorded solutions: sample k gets the k-th, from the start again after the last."""

    name: str
    solutions: dict[str, list[Answer]] = field(repr=False)

    def answer(self, question: str, sample: int) -> Answer:
        found = self._found(_folded(question))
        if not found:
            return Answer(None, f"{SIMULATED} and have no recorded answer to this question.")
        return found[sample % len(found)]

    def fingerprint(self, question: str) -> str:
        """The same as long as each sample has the same answer, whatever else is recorded."""
        recorded = json.dumps(_without_repetition(self._found(_folded(question))), ensure_ascii=False)
        return f"sha256:{hashlib.sha256(recorded.encode('utf-8', 'surrogatepass')).hexdigest()}"

    @cached_property
    def _found(self) -> Callable[[str], list[Answer]]:
        """By the folded question; each is asked for several times in a row."""
        return lru_cache(1024)(lambda asked: self.solutions.get(asked) or self._inside(asked))

    def _inside(self, asked: str) -> list[Answer]:
        """A known question with a template around it, or examples before it: the one that ends last in the asked text,
        of several that end there the longest."""
        held = [(at + len(one), len(one), one) for one in self.solutions if (at := asked.rfind(one)) >= 0]
        return self.solutions[max(held)[2]] if held else []

    @classmethod
    def load(cls, path: Path, columns: recordings.Columns = recordings.USUAL) -> "Replay":
        """From a file that `inputs.recordings` can read. Raises CotDistillError for another one."""
        solutions: dict[str, list[Answer]] = defaultdict(list)
        for question, answer in recordings.read(path, columns):
            solutions[_folded(question)].append(Answer(answer.reasoning, answer.text))
        return cls(path.stem, dict(solutions))


def _without_repetition(answers: list[Answer]) -> list[Answer]:
    """What comes again from its start: a question recorded twice with one answer has that answer to each sample."""
    for length in range(1, len(answers) // 2 + 1):
        if len(answers) % length == 0 and answers == answers[:length] * (len(answers) // length):
            return answers[:length]
    return answers


def _folded(text: str) -> str:
    return " ".join(text.split())


def question_of(messages: list[dict[str, Any]]) -> str:
    """The conversation up to the last user turn, as recordings know it. A turn's content is text or a list of parts."""
    last = max(number for number, turn in enumerate(messages) if turn.get("role") == "user")
    return recordings.asked((turn.get("role"), _text(turn.get("content"))) for turn in messages[: last + 1])


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content if isinstance(content, str) else json.dumps(content)
