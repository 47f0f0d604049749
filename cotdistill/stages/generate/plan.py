"""Prompts times samples: which requests a run consists of, and which of them the store has answered already."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from cotdistill.config import GenerateConfig
from cotdistill.dispatch.asking import Job
from cotdistill.inputs import templates
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.providers.types import Reply, Request, Teacher
from cotdistill.records import Prompt, Response, TeacherInfo
from cotdistill.stages.verification import Judge
from cotdistill.store.answers import Store, Stored, request_key

Answers: TypeAlias = Sequence[tuple[Job, Stored | None]]
"""What the store has for one prompt."""


@dataclass
class Plan:
    """Every request of a run in prompt order; can be walked again and again, without holding the file."""

    teacher: Teacher
    config: GenerateConfig
    file: PromptFile
    store: Store
    judge: Judge | None = None
    unverified: set[str] = field(default_factory=set)
    """Prompts without a reference, for which `until_accepted` takes the first answers there are."""

    _accepted: dict[tuple[str, int], bool] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.template = templates.load(self.config.template) if self.config.template else None
        self.examples = templates.examples(self.config.few_shot, self.template) if self.config.few_shot else ()
        self._fields = templates.fields(self.template)

    def prompts(self) -> Iterator[list[Job]]:
        """One list a prompt: its samples."""
        for entry in self.file.entries():
            prompt, values = entry.prompt, entry.filling(self._fields)
            request = Request(
                messages=templates.dress(prompt.messages, self.template, self.config.system, self.examples, values),
                max_output_tokens=self.config.max_output_tokens,
                temperature=self.config.temperature,
                effort=self.config.effort,
            )
            key = self._key(request)
            yield [Job(prompt, sample, key, request) for sample in range(self.config.samples)]

    def answered(self, jobs: list[Job]) -> Iterator[tuple[Job, Stored | None]]:
        """What the store has for one prompt's samples: with `until_accepted`, up to the sample that suffices."""
        accepted = 0
        for job in jobs:
            stored = self.stored(job)
            yield job, stored
            if self.judge is None:
                continue
            if stored is None:
                return
            accepted += self.accepts(job, self.teacher.read(stored.raw))
            if accepted >= (self.config.until_accepted or 0):
                return

    def stored(self, job: Job) -> Stored | None:
        """The answer to this request, or to the same one with another output cap: what ended by itself within this
        cap needs no other answer, and what was cut is bought again by `retry_truncated` only."""
        raw = self.store.get(job.key, job.sample)
        if raw is not None:
            return Stored(job.key, raw)
        for relative in self.store.relatives(self.family(job), job.sample):
            reply = self.teacher.read(relative.raw)
            cut = reply.stop_reason == "length"
            if (reply.usage.output_tokens or 0) <= job.request.max_output_tokens and not (
                cut and self.config.retry_truncated
            ):
                return relative
        return None

    def accepts(self, job: Job, reply: Reply) -> bool:
        """Whether an answer counts towards `until_accepted`. Remembered: a verdict may take seconds."""
        assert self.judge is not None
        known = self._accepted.get((job.key, job.sample))
        if known is None:
            response = as_response(job.prompt, job.sample, job.key, self.teacher, reply)
            verdict = self.judge.judge(response)
            known = reply.stop_reason == "stop" and verdict.status == "correct"
            if reply.stop_reason == "stop" and verdict.status == "unverified":
                self.unverified.add(job.prompt.id)
                known = True  # nothing can tell, so no further sample would help
            self._accepted[job.key, job.sample] = known
        return known

    def family(self, job: Job) -> str:
        """The key without the output cap."""
        return self._key(replace(job.request, max_output_tokens=0))

    def _key(self, request: Request) -> str:
        return request_key(self.teacher.base_url, self.teacher.body(request))


class Missing:
    """The requests still to be asked, as an iterator that may be fed while it is walked.

    The same question under two ids is asked once. With `until_accepted` a prompt's next sample comes only after
    its last one was judged (`follow`), so an easy prompt costs one request.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._given: set[tuple[str, int]] = set()
        self._next: deque[Job] = deque()
        self._stream = self._from_file()

    def __iter__(self) -> Iterator[Job]:
        return self

    def __next__(self) -> Job:
        return self._next.popleft() if self._next else next(self._stream)

    def follow(self, job: Job, reply: Reply) -> None:
        """An answer is in and stored: if its prompt needs another sample, that comes next."""
        self._given.discard((job.key, job.sample))
        if self._plan.judge is None:
            return
        jobs = [Job(job.prompt, sample, job.key, job.request) for sample in range(self._plan.config.samples)]
        self._next.extend(self._wanted(jobs))

    def _from_file(self) -> Iterator[Job]:
        for jobs in self._plan.prompts():
            yield from self._wanted(jobs)

    def _wanted(self, jobs: list[Job]) -> Iterator[Job]:
        for job, stored in self._plan.answered(jobs):
            if stored is None and (job.key, job.sample) not in self._given:
                self._given.add((job.key, job.sample))
                yield job


def as_response(
    prompt: Prompt,
    sample: int,
    key: str,
    teacher: Teacher,
    reply: Reply,
    *,
    cost_usd: str | None = None,
    license: str | None = None,
) -> Response:
    served = reply.served_model if reply.served_model != teacher.model else None
    return Response(
        prompt=prompt,
        sample=sample,
        reasoning=reply.reasoning,
        reasoning_kind=reply.reasoning_kind,
        reasoning_rule=reply.reasoning_rule,
        text=reply.text,
        stop_reason=reply.stop_reason,
        stop_detail=reply.stop_detail,
        teacher=TeacherInfo(
            provider=teacher.provider, model=teacher.model, served_model=served, base_url=teacher.base_url
        ),
        usage=reply.usage,
        cost_usd=cost_usd,
        request_key=key,
        license=license,
    )
