"""Writes answers in prompt order while others are still asked for, so that none is read again at the end."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from cotdistill.dispatch.asking import Job
from cotdistill.dispatch.lookup import Answer
from cotdistill.providers.types import Failure
from cotdistill.stages.generate.output import Output

MOST_BYTES = 64 * 2**20
"""Bytes of answers that may wait for an earlier one. Beyond that they are let go, and read from the store later."""

MOST_PROMPTS = 20_000
"""Prompts that may wait for an earlier one. Beyond that the rest is written at the end."""

Pair = tuple[str, int]
"""A request's key and sample."""


class _Waiting(NamedTuple):
    jobs: list[Job]
    missing: tuple[int, ...]


@dataclass
class Arrivals:
    """`expect` takes the prompts in their order, `came` the answers in any order; `write` writes the complete prompts
    at the front. What is left when the asking ends is not written."""

    written: Output
    _prompts: deque[_Waiting] = field(default_factory=deque, repr=False)
    _awaited: Counter[Pair] = field(default_factory=Counter, repr=False)
    """How many of the waiting prompts need each request: the same question may stand under two ids."""
    _answers: dict[Pair, Answer | None] = field(default_factory=dict, repr=False)
    """Answers that came early; None for one that was let go."""
    _bytes: int = 0
    _given_up: bool = False

    def expect(self, jobs: list[Job], missing: tuple[int, ...]) -> None:
        """Take the next prompt: all its `jobs`, and the numbers of the `missing` samples that are being asked."""
        if self._given_up:
            return
        if len(self._prompts) >= MOST_PROMPTS:
            self._given_up = True
            self._prompts.clear()
            self._awaited.clear()
            self._answers.clear()
            return
        self._prompts.append(_Waiting(jobs, missing))
        for sample in missing:
            self._awaited[jobs[sample].key, sample] += 1

    def came(self, job: Job, answer: Answer) -> None:
        pair = (job.key, job.sample)
        if not self._awaited[pair]:
            return
        self._answers[pair] = answer
        self._bytes += len(answer.reply.raw)
        if self._bytes > MOST_BYTES:
            self._answers, self._bytes = dict.fromkeys(self._answers), 0

    def write(self, failures: Mapping[Pair, Failure]) -> None:
        while self._prompts:
            jobs, missing = self._prompts[0]
            pairs = [(jobs[sample].key, sample) for sample in missing]
            if any(pair not in self._answers and pair not in failures for pair in pairs):
                return
            self._prompts.popleft()
            self.written.add([(job, self._answer(job)) for job in jobs], failures)
            for pair in pairs:
                self._let_go(pair)

    def _answer(self, job: Job) -> Answer | None:
        return self._answers.get((job.key, job.sample)) or self.written.plan.stored(job)

    def _let_go(self, pair: Pair) -> None:
        self._awaited[pair] -= 1
        if not self._awaited[pair]:
            del self._awaited[pair]
            answer = self._answers.pop(pair, None)
            self._bytes -= len(answer.reply.raw) if answer else 0
