"""Prompts times samples: the requests of a run, and which of them the store has answered already."""

from collections import defaultdict, deque
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from cotdistill.config import GenerateConfig
from cotdistill.dispatch.asking import Job
from cotdistill.dispatch.lookup import Answer, as_response, find, keys_of
from cotdistill.inputs import templates
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.providers.types import Request, Teacher
from cotdistill.records import Message, Prompt, Verdict
from cotdistill.stages.generate.spool import Question, Spool
from cotdistill.store.answers import Store

if TYPE_CHECKING:
    from cotdistill.stages.verification import Judge

Answers: TypeAlias = Sequence[tuple[Job, Answer | None]]
"""A prompt's samples, each with the store's answer to it or None."""


@dataclass
class Plan:
    """Every request of a run in prompt order. It can be walked again and again without holding the file in memory."""

    teacher: Teacher
    config: GenerateConfig
    file: PromptFile
    store: Store
    judge: "Judge | None" = None
    spool: Spool = field(default_factory=Spool, repr=False)
    """Prompts that `remember` was given, for `rest`."""
    to_learn: bool = True
    """Whether a student is trained on the answers; false where another stage asks for its own purposes."""
    only: Container[str] | None = None
    """The ids of the prompts that are asked; None for all of the file."""
    unverified: set[str] = field(default_factory=set)
    """Ids of prompts whose reference the verifier cannot use: `until_accepted` takes their first answers."""

    _accepted: dict[tuple[str, int], bool] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.template = templates.load(self.config.template) if self.config.template else None
        self.examples = templates.examples(self.config.few_shot, self.template) if self.config.few_shot else ()
        self._fields = templates.fields(self.template)

    def prompts(self) -> Iterator[list[Job]]:
        """Yields one list a prompt: a job for each of its samples."""
        for entry in self.file.entries():
            prompt, values = entry.prompt, entry.filling(self._fields)
            if self.only is not None and prompt.id not in self.only:
                continue
            messages = templates.dress(prompt.messages, self.template, self.config.system, self.examples, values)
            request = self._request(messages)
            yield self.samples(Job(prompt, 0, *keys_of(self.teacher, request), request))

    def samples(self, first: Job) -> list[Job]:
        """The jobs of all samples of a prompt, from the job of one of them."""
        prompt, _, key, family, request = first
        return [Job(prompt, sample, key, family, request) for sample in range(self.config.samples)]

    def remember(self, jobs: list[Job], missing: Sequence[Job]) -> None:
        """Keep one prompt for `rest`. `missing` are those of its jobs that the store has no answer to."""
        prompt, _, key, family, request = jobs[0]
        messages = None if request.messages is prompt.messages else request.messages
        self.spool.add(Question(prompt, messages, key, family, tuple(job.sample for job in missing)))

    def rest(self, number: int = 0) -> Iterator[list[Job]]:
        """The prompts from the first one on that lacked an answer when the run began, without the first `number` of
        them."""
        return (jobs for jobs, _ in self.remembered(number))

    def remembered(self, number: int = 0) -> Iterator[tuple[list[Job], tuple[int, ...]]]:
        """The prompts of `rest`, each with the numbers of the samples that were missing."""
        for prompt, messages, key, family, missing in map(msgspec.structs.astuple, self.spool.since(number)):
            request = self._request(messages or prompt.messages)
            yield self.samples(Job(prompt, 0, key, family, request)), missing

    def _request(self, messages: tuple[Message, ...]) -> Request:
        config = self.config
        return Request(messages, config.max_output_tokens, config.temperature, config.effort, config.logprobs)

    def answered(self, jobs: list[Job]) -> Iterator[tuple[Job, Answer | None]]:
        """Yields a prompt's samples, each with its stored answer. With `until_accepted` it ends with the sample that
        suffices, is missing, or is not judged yet."""
        accepted = 0
        for job in jobs:
            answer = self.stored(job)
            yield job, answer
            if self.judge is None:
                continue
            verdict = None if answer is None else self.accepts(job, answer)
            if verdict is None:
                return
            accepted += verdict
            if accepted >= (self.config.until_accepted or 0):
                return

    def stored(self, job: Job) -> Answer | None:
        return find(self.store, self.teacher, job, retry_truncated=self.config.retry_truncated)

    def accepts(self, job: Job, answer: Answer, *, ask: bool = False) -> bool | None:
        """Whether an answer counts towards `until_accepted`; None where only a paid judge could say.

        With `ask` the judge is paid, which may take seconds; None then means that its money is spent. The result is
        remembered.
        """
        assert self.judge is not None
        accepted = self._accepted.get((job.prompt.id, job.sample))
        if accepted is None:
            response = as_response(job, answer, self.teacher)
            verdict = self.judge.judge(response) if ask else self.judge.known(response)
            if ask and self.judge.exhausted and verdict and verdict.status == "error":
                return None
            accepted = self._counts(job, answer, verdict)
            if accepted is not None:
                self._accepted[job.prompt.id, job.sample] = accepted
        return accepted

    def _counts(self, job: Job, answer: Answer, verdict: Verdict | None) -> bool | None:
        if answer.reply.stop_reason != "stop":
            return False
        if verdict is not None and verdict.status in ("unverified", "bad_reference"):
            self.unverified.add(job.prompt.id)
            return True  # nothing can decide, so no further sample would help
        return None if verdict is None else verdict.status == "correct"


class Missing:
    """The requests still to be asked, as an iterator that may be fed while it is walked.

    The same question under two ids is asked once. With `until_accepted` a prompt's next sample comes only after its
    last one was judged (`follow`), so an easy prompt costs one request. A stored answer that only a paid judge can
    decide on comes as a job too: it is found in the store and followed.

    Without `until_accepted`, `expect` is called with each prompt and its missing samples before these are yielded.
    """

    def __init__(self, plan: Plan, expect: Callable[[list[Job], tuple[int, ...]], None]) -> None:
        self._plan, self._expect = plan, expect
        self._given: set[tuple[str, int]] = set()
        self._next: deque[Job] = deque()
        self._alike: defaultdict[str, list[Prompt]] = defaultdict(list)
        """Prompts that wait for an answer which was asked for another prompt of the same content, by key."""
        self._stream = self._from_file()
        self.settled = 0
        """How many of the incomplete prompts need no further answer by now."""

    def __iter__(self) -> Iterator[Job]:
        return self

    def __next__(self) -> Job:
        return self._next.popleft() if self._next else next(self._stream)

    def follow(self, job: Job) -> None:
        """A job's answer is stored and judged: if its prompt needs another sample, that sample comes next."""
        self._given.discard((job.key, job.sample))
        if self._plan.judge is None:
            return
        for prompt in (job.prompt, *self._alike.pop(job.key, ())):
            wanted = list(self._wanted(self._plan.samples(job._replace(prompt=prompt))))
            self._next.extend(wanted)
            self.settled += not wanted

    def _from_file(self) -> Iterator[Job]:
        for jobs, missing in self._plan.remembered():
            if self._plan.judge is not None:
                yield from self._wanted(jobs)
                continue
            self._expect(jobs, missing)
            for sample in missing:
                pair = (jobs[sample].key, sample)
                if pair not in self._given:
                    self._given.add(pair)
                    yield jobs[sample]

    def _wanted(self, jobs: list[Job]) -> Iterator[Job]:
        for job, answer in self._plan.answered(jobs):
            if answer is not None and self._plan.accepts(job, answer) is not None:
                continue
            if (job.key, job.sample) in self._given:
                self._alike[job.key].append(job.prompt)
            else:
                self._given.add((job.key, job.sample))
                yield job
