"""Every answer of one student to the prompts it is scored on: from the store, bought, or generated in this process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import teachers
from cotdistill.artifacts import json_lines
from cotdistill.artifacts.kinds import check_kind
from cotdistill.config import EvaluateConfig
from cotdistill.dispatch.asking import Job, Limits
from cotdistill.dispatch.lookup import Answer
from cotdistill.dispatch.session import Session
from cotdistill.dispatch.speed import Speed, reported
from cotdistill.dispatch.stored import StoredTeacher, Terms
from cotdistill.errors import BudgetError, CotDistillError, UsageError
from cotdistill.mock import is_simulated
from cotdistill.pricing import Prices
from cotdistill.progress import Progress
from cotdistill.providers.logprobs import check_logprobs
from cotdistill.providers.types import Request, Teacher
from cotdistill.records import Prompt, Response

LOCAL_TIMEOUT_S, TIMEOUT_S = 24 * 3600.0, 600.0
"""Seconds for one answer. An answer of a local student waits for its whole batch."""

CALIBRATED = 1
"""Alternatives that --calibrate asks for; the log-probabilities of the answer's own tokens are all that is read."""


def is_recorded(student: str) -> bool:
    """Whether the student is a file of responses, which are scored as they are."""
    return Path(student).suffix == ".jsonl" and Path(student).is_file()


def costs(student: str) -> bool:
    """Whether the student's answers are paid for, and so belong into the store."""
    return teachers.is_teacher(student) and not is_recorded(student) and not is_simulated(student)


def recorded(path: Path, prompts: Sequence[Prompt]) -> list[list[Response]]:
    """The first answers of a file of responses, such as the teacher's, to the prompts that are asked."""
    check_kind(path, "evaluate", "generate")
    wanted = {prompt.id: prompt for prompt in prompts}
    found = {
        one.prompt.id: [msgspec.structs.replace(one, prompt=wanted[one.prompt.id])]
        for one in json_lines.read_records(path, Response)
        if one.sample == 0 and one.prompt.id in wanted
    }
    missing = [name for name in wanted if name not in found]
    if missing:
        raise CotDistillError(
            f"{path}: no answer to {len(missing)} of {len(wanted)} prompts, the first is {missing[0]!r}"
        )
    return [found[name] for name in wanted]


def ask(
    student: str, sets: Sequence[Sequence[Prompt]], config: EvaluateConfig, session: Session, progress: Progress
) -> list[list[list[Response]]]:
    """All answers of one student to each set of prompts, in prompt order, by sample. The student is loaded once.

    Raises CotDistillError for a prompt that got no answer: a score over fewer prompts would not compare.
    """
    if is_recorded(student):
        return [recorded(Path(student), prompts) for prompts in sets]
    teacher = _teacher(student, config)
    calibrated = config.calibrate and teacher.provider != "local"
    if calibrated:
        check_calibrated(teacher)
    given = (None, None) if student != config.student else (config.price_in, config.price_out)
    terms = terms_of(teacher, given, at_once=config.concurrency is not None)
    with session.opened(teacher, terms, free=not costs(student)) as stored:
        asker = Asker(stored, config, calibrated)
        progress.begin(f"evaluate {student}", sum(map(len, sets)) * len(asker.passes()))
        return [asker.responses(prompts, progress) for prompts in sets]


def terms_of(
    teacher: Teacher, prices: tuple[float | None, float | None] = (None, None), *, at_once: bool = False
) -> Terms:
    """How a student is asked. `prices` are USD per million input and output tokens, None where they are published."""
    local = teacher.provider == "local"
    return Terms(
        Prices(teacher.provider, teacher.model, *(None if one is None else Decimal(str(one)) for one in prices)),
        Limits(teacher.concurrency, at_once=local or at_once),
        timeout_s=LOCAL_TIMEOUT_S if local else TIMEOUT_S,
    )


def _teacher(student: str, config: EvaluateConfig) -> Teacher:
    """A student is asked like a teacher: over an API when it reads as PROVIDER:MODEL, else by the engine."""
    if teachers.is_teacher(student):
        return teachers.build(student, config.base_url, config.concurrency, timeout_s=TIMEOUT_S)
    given: dict[str, Any] = {"confident": True, "precision": config.precision} if config.engine == "local" else {}
    if config.engine != "local" and config.concurrency is not None:
        given["concurrency"] = config.concurrency
    return teachers.on_this_machine(
        student.removeprefix("local:"),
        engine=config.engine,
        batch_size=config.batch_size,
        threads=config.threads,
        seed=config.seed,
        **given,
    )


def note_on_temperature(student: str, config: EvaluateConfig) -> str | None:
    """A note on a student over an API that takes no temperature; None for any other."""
    if not teachers.is_teacher(student) or is_recorded(student):
        return None
    if takes(_teacher(student, config), 0.0):
        return None
    return (
        f"{student} takes no temperature: its answers are drawn as its provider draws them, the first one not greedily"
    )


def takes(teacher: Teacher, temperature: float) -> bool:
    try:
        teacher.body(Request((), 1, temperature))
    except UsageError:
        return False
    return True


def check_calibrated(teacher: Teacher) -> None:
    """Raises UsageError for a teacher that gives no log-probabilities."""
    check_logprobs(teacher, Request((), 1, logprobs=CALIBRATED), "--calibrate")


@dataclass
class Asker:
    """Asks one opened student the prompts of each set."""

    stored: StoredTeacher
    config: EvaluateConfig
    calibrated: bool = False
    """Whether greedy answers are asked with log-probabilities. A model in this process gives them unasked."""
    done: int = 0
    """Answers to earlier sets of prompts."""

    def __post_init__(self) -> None:
        self._speed = Speed(self.stored.teacher)

    def passes(self) -> list[float | None]:
        """The temperature of each answer to one prompt: greedy first, then the sampled ones."""
        sampled = self.config.samples if self.config.samples > 1 else 0
        return [self._temperature(0.0), *[self._temperature(self.config.temperature)] * sampled]

    def _temperature(self, temperature: float) -> float | None:
        """The temperature, or None where the provider takes none (Anthropic)."""
        return temperature if takes(self.stored.teacher, temperature) else None

    def responses(self, prompts: Sequence[Prompt], progress: Progress) -> list[list[Response]]:
        jobs = {(job.prompt.id, job.sample): job for job in self._jobs(prompts)}
        answers: dict[tuple[str, int], Answer] = {}

        def missing() -> Iterator[Job]:
            for name, job in jobs.items():
                if answer := self.stored.find(job, retry_truncated=True):
                    answers[name] = answer
                else:
                    yield job

        async def got(job: Job, answer: Answer, bought: bool) -> None:
            answers[job.prompt.id, job.sample] = answer
            if bought:
                self._speed.add(answer.reply.usage)

        def report() -> None:
            progress.update(self.done + len(answers), f"{self._speed.describe()}, {self.stored.retrier.describe()}")

        asked = self.stored.session.run(reported(self.stored.ask_all(missing(), got), report))
        model = self.stored.teacher.model
        for (prompt, sample), job in jobs.items():
            if (prompt, sample) in answers:
                continue
            if failure := asked.failures.get((job.key, job.sample)):
                raise CotDistillError(f"{model}: no answer to prompt {prompt!r}: {failure.message}")
            raise BudgetError(
                f"{len(jobs) - len(answers)} of {len(jobs)} answers of {model} are missing: "
                f"{self.stored.budget.describe() if self.stored.budget else 'the run stopped'}. "
                f"What was answered is kept; the same command with a larger cap asks for the rest"
            )
        self.done += len(answers)
        samples = range(len(self.passes()))
        return [
            [self.stored.response(jobs[prompt.id, n], answers[prompt.id, n]) for n in samples] for prompt in prompts
        ]

    def _jobs(self, prompts: Sequence[Prompt]) -> Iterator[Job]:
        """Longest prompts first, so that a batch holds prompts of one length and memory peaks at the start."""
        for sample, temperature in enumerate(self.passes()):
            for prompt in sorted(prompts, key=lambda one: -sum(len(turn.content) for turn in one.messages)):
                logprobs = CALIBRATED if self.calibrated and not sample else None
                cap = self.config.max_output_tokens
                yield self.stored.job(prompt, sample, Request(prompt.messages, cap, temperature, None, logprobs))
