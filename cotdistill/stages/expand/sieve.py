"""Decides which written prompts are kept, by asking filter's filters about prompts that have no answer yet.

A filter looks at a judged response. So a written prompt is shown to it in a role: as the answer to its request (leak),
as an answer to its seed (language, length), or as a prompt without an answer (copies, evaluation sets).
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

import msgspec

from cotdistill import plugins
from cotdistill.config import ExpandConfig
from cotdistill.expanders import Expander
from cotdistill.filters import Filter
from cotdistill.records import DroppedPrompt, Judged, Message, Prompt, Response, TeacherInfo, Usage, Verdict
from cotdistill.stages.expand import calls, quotes
from cotdistill.stages.expand.plan import Line
from cotdistill.stages.expand.reading import new_prompt
from cotdistill.stages.expand.sources import Source, reads_documents
from cotdistill.stages.filter.screen import ask

LEAST_LETTERS, TIMES_LONGER = 8, 4
"""A new prompt has at least this many letters and half those of the shortest seed, and at most this many times those of
the longest of nine in ten seeds."""


class Candidate(NamedTuple):
    """A written prompt that all filters let pass."""

    line: Line
    prompt: Prompt
    response: Response


@dataclass
class Sieve:
    """Remembers the seeds and the prompts that it let pass, so that later copies are found. Feed it in the plan's
    order."""

    leak: Filter
    length: Filter
    language: Filter
    against: Filter | None
    copies: Sequence[tuple[str, Filter]]
    expanders: dict[str, Expander]
    reads_documents: bool = False
    _of_passages: dict[str, Sequence[tuple[str, Filter]]] = field(default_factory=dict, repr=False)
    _passed: set[str] = field(default_factory=set, repr=False)

    @classmethod
    def build(
        cls,
        config: ExpandConfig,
        sources: Sequence[Source],
        expanders: dict[str, Expander],
        held_out: Sequence[Source] = (),
    ) -> "Sieve":
        reads = reads_documents(expanders)
        sieve = cls(
            leak=plugins.build("filters", "instruction_leak"),
            length=plugins.build("filters", "length:" + ("" if reads else _lengths(sources))),
            language=plugins.build("filters", "language"),
            against=_against(config.against, held_out),
            copies=_copies(),
            expanders=expanders,
            reads_documents=reads,
        )
        for source in () if reads else sources:
            for name, one in sieve.copies:
                ask(name, one, _unanswered(source.prompt))
        return sieve

    def look(self, line: Line, response: Response) -> Candidate | DroppedPrompt:
        if response.stop_reason != "stop" or not response.text.strip():
            why = "nothing was written" if response.stop_reason == "stop" else response.stop_reason
            return self._left(line, "stop_reason", response.stop_detail or why, response.text)
        text, answer = new_prompt(response.text), None
        expander = self.expanders[line.method]
        if quotes.are_made_by(expander):
            text, answer = calls.quoted(line.method, expander, line.source.id, text)
            if problem := quotes.problem(line.source.text, text, answer):
                return self._left(line, "quote", problem, response.text)
        as_answer = _as_answer(msgspec.structs.replace(response, text=text, prompt=line.source.prompt))
        for name, one, judged in (
            ("instruction_leak", self.leak, _as_answer(response)),
            ("length", self.length, as_answer),
            ("language", self.language, as_answer),
        ):
            if reason := ask(name, one, judged):
                return self._left(line, name, reason.replace("answer", "prompt"), text)
        prompt = self._prompt(line, text, answer)
        if self.against and (reason := ask("contamination", self.against, _unanswered(prompt))):
            return self._left(line, "contamination", reason, text)
        copies, asked = self.copies, _unanswered(prompt)
        if self.reads_documents:  # the passage would make all questions about it alike, and none about another one
            copies = self._of_passages.setdefault(line.source.id, _copies())
            asked = _unanswered(line.source.written(line.id, text, line.tags))
        for name, one in copies:
            if reason := ask(name, one, asked):
                return self._left(line, name, reason, text)
        self._passed.add(prompt.id)
        return Candidate(line, prompt, response)

    def is_repeat(self, left: DroppedPrompt) -> bool:
        """Whether it was left out as a copy of another new prompt, not of a seed. The filters' reasons end in the id of
        the original."""
        return left.filter in _COPY_FILTERS and left.reason.rpartition(" | ")[2] in self._passed

    def _prompt(self, line: Line, text: str, answer: str | None) -> Prompt:
        expander = self.expanders[line.method]
        whole = text
        if self.reads_documents:
            whole = calls.prompt(line.method, expander, line.source.id, line.source.text, text)
        if answer is None:
            return line.source.written(line.id, whole, line.tags)
        made = line.source.written(line.id, whole, {**line.tags, **quotes.BY_QUOTE})
        return msgspec.structs.replace(made, reference=quotes.folded(answer))

    def _left(self, line: Line, filter: str, reason: str, text: str) -> DroppedPrompt:
        return DroppedPrompt(id=line.id, filter=filter, reason=reason, tags=line.tags, text=text or None)


def _against(files: Sequence[str], held_out: Sequence[Source]) -> Filter | None:
    """Evaluation sets, and as one more of them the seeds that will be held out."""
    if not files and not held_out:
        return None
    with tempfile.TemporaryDirectory() as folder:
        own = []
        if held_out:
            own = [f"{folder}/hold-out.jsonl"]
            Path(own[0]).write_bytes(b"".join(msgspec.json.encode(one.prompt) + b"\n" for one in held_out))
        paths = "|".join([*files, *own]).replace(",", "\\,")
        found: Filter = plugins.build("filters", f"contamination:against={paths}")
        ask("contamination", found, _unanswered(_NOTHING))  # which makes it read its files now
        return found


_NOTHING = Prompt(id="nothing", messages=(Message(role="user", content="?"),))


_COPY_FILTERS = ("exact_duplicate", "near_duplicate")


def _copies() -> list[tuple[str, Filter]]:
    return [(name, plugins.build("filters", name)) for name in _COPY_FILTERS]


def _lengths(sources: Sequence[Source]) -> str:
    """Limits by the seeds' own lengths, with room for longer prompts."""
    lengths = sorted(len(one.text) for one in sources)
    most = quantiles(lengths, n=10)[-1] if len(lengths) > 1 else lengths[0]
    least = max(1, min(LEAST_LETTERS, lengths[0] // 2))
    return f"min_answer={least},max_answer={max(200, int(TIMES_LONGER * most))}"


def _as_answer(response: Response) -> Judged:
    """The response without its reasoning, which no student will see."""
    return unverified(msgspec.structs.replace(response, reasoning=None))


def unverified(response: Response) -> Judged:
    """A prompt in the form that filters look at."""
    return Judged(response=response, verdict=Verdict(status="unverified", method="none"))


def _unanswered(prompt: Prompt) -> Judged:
    nobody = TeacherInfo(provider="none", model="none", base_url="none")
    response = Response(
        prompt=prompt,
        sample=0,
        reasoning_kind="none",
        text="",
        stop_reason="stop",
        teacher=nobody,
        usage=Usage(),
        request_key="",
    )
    return unverified(response)
