"""Talk to students: each one answers the same questions, in a conversation of its own."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cotdistill import students, teachers
from cotdistill.config import AskConfig, check
from cotdistill.config.embedded import has_no_address
from cotdistill.config.options import Text, convert
from cotdistill.dispatch.asking import Job
from cotdistill.dispatch.lookup import Answer
from cotdistill.dispatch.session import Session
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.progress import Progress
from cotdistill.providers.types import Reply, Request, Teacher
from cotdistill.records import Message, Prompt
from cotdistill.stages.evaluate.answers import costs, terms_of
from cotdistill.store.location import store_path
from cotdistill.students import settings
from cotdistill.wording import counted


@dataclass(frozen=True)
class Said:
    """One answer. `seconds` it took, the loading of the student left out."""

    student: str
    reply: Reply
    seconds: float
    from_store: bool


class Conversation:
    """What one student was asked and has answered so far."""

    def __init__(self, session: Session, student: str, config: AskConfig) -> None:
        """Loads the student, or finds its server. Raises CotDistillError where it cannot."""
        self.student, self._config, self._session = student, config, session
        teacher = _teacher(student, config)
        single = settings.read(student.removeprefix("local:")).single_questions is True
        self._alone = config.turns == "one" or (config.turns == "auto" and single)
        self._said = config.turns != "auto"
        self._stored = session.open(teacher, terms_of(teacher), free=not costs(student))
        self._asked: Counter[str] = Counter()
        self._turns: tuple[Message, ...] = (Message(role="system", content=config.system),) if config.system else ()

    def ask(self, question: str) -> Said:
        """Raises CotDistillError where there is no answer; the question then is no part of the conversation."""
        try:
            asked = convert(question, Text).strip()
        except ValueError:
            asked = ""
        if not asked:
            raise UsageError(f"question: expected a text, got {question!a:.100}")
        if self._alone and self._asked and not self._said:
            self._said = True
            self._session.progress.note(
                f"{self.student} was trained on single questions, so each is asked by itself; --turns all keeps what "
                "came before"
            )
        turns = (*self._turns, Message(role="user", content=question))
        request = Request(turns, self._config.max_output_tokens, self._config.temperature)
        prompt = Prompt(id="asked", messages=turns)
        job = self._stored.job(prompt, 0, request)
        if self._config.temperature:  # what is asked again draws again, as `samples` of generate
            job = self._stored.job(prompt, self._asked[job.key], request)
        began = time.monotonic()
        answer, is_new = self._stored.find(job, retry_truncated=True), False
        if answer is None:
            answer, is_new = self._buy(job), True
        self._asked[job.key] += 1
        if not self._alone:
            self._turns = (*turns, Message(role="assistant", content=answer.reply.text))
        return Said(self.student, answer.reply, time.monotonic() - began, not is_new)

    def _buy(self, job: Job) -> Answer:
        found: list[Answer] = []

        async def got(job: Job, answer: Answer, bought: bool) -> None:
            found.append(answer)

        try:
            asked = self._session.run(self._stored.ask_all(iter([job]), got))
        except CotDistillError:
            self._session.resume()  # the next question may find the server there again
            raise
        for failure in asked.failures.values():
            before = sum(turn.role != "system" for turn in self._turns)
            grown = f". It read {counted(before, 'earlier turn')} too; a new conversation has none, nor has --turns one"
            raise CotDistillError(f"{self.student}: {failure.message}{grown * bool(before)}")
        return found[0]


@contextmanager
def conversations(student: str, config: AskConfig, progress: Progress) -> Iterator[list[Conversation]]:
    """One with the student and each one beside it, all loaded. Answers that cost money go through
    the store, like those of evaluate.

    Raises UsageError for a student there is not, or that is given twice."""
    check(config)
    asked = [student, *config.beside]
    if twice := next((one for one in asked if asked.count(one) > 1), None):
        raise UsageError(f"student {twice!r} is given twice")
    over_api = [one for one in asked if teachers.is_teacher(one)]
    if config.base_url is not None and all(map(has_no_address, over_api)):
        raise UsageError("--base-url: goes with a student PROVIDER:MODEL on a server; none is given")
    if config.engine != AskConfig.engine and len(over_api) == len(asked):
        raise UsageError(f"--engine: {config.engine} answers for students of this machine; none is given")
    if config.seed != AskConfig.seed and not config.temperature:
        raise UsageError("--seed: goes with --temperature; without one an answer is not drawn")
    if config.seed != AskConfig.seed and len(over_api) == len(asked):
        raise UsageError("--seed: goes with a student of this machine; none is given")
    store = store_path() if any(map(costs, asked)) else None
    with Session.on(store, None, None, progress, "ask") as session:
        yield [Conversation(session, one, config) for one in asked]


def _teacher(student: str, config: AskConfig) -> Teacher:
    if teachers.is_teacher(student):
        return teachers.build(student, config.base_url)
    name = student.removeprefix("local:")
    students.need_packages(name)
    return teachers.on_this_machine(name, engine=config.engine, seed=config.seed)
