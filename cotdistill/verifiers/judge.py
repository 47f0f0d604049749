"""A language model decides, by a rubric (Zheng et al., arXiv 2306.05685), through the same teachers, store and limits
as `generate`: an answer that was judged once is not paid for again."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Literal

from cotdistill import plugins, teachers
from cotdistill.config.embedded import has_no_address
from cotdistill.dispatch.asking import Job, Limits
from cotdistill.dispatch.budget import Budget, Tariff, Worst
from cotdistill.dispatch.lookup import Answer, find, keys_of
from cotdistill.dispatch.session import Session
from cotdistill.dispatch.stored import StoredTeacher, Terms
from cotdistill.plugins import Amount, Count, File, Positive
from cotdistill.pricing import Prices
from cotdistill.providers.types import Reply, Request, Teacher
from cotdistill.records import Message, Prompt, Response, Usage, Verdict
from cotdistill.store.answers import Store
from cotdistill.store.location import default_path
from cotdistill.verifiers import _rubric
from cotdistill.verifiers._rubric import question as question
from cotdistill.wording import counted, usd

UNPRICED = (
    "judge: what it costs is capped, and the price of {model!r} is not known; give it as judge:…,price_in=X,price_out=Y"
)

LONGEST_ANSWER = 20_000
"""Characters of an answer, from its end, that the judge is shown."""


@dataclass
class Verifier:
    """A language model judges each answer: judge:teacher=PROVIDER:MODEL; on=disagreement asks it second.

    With `on=disagreement` the verifier `after` goes first, and the judge sees only what it did not find correct.
    `rubric` is a text file with $question, $answer and, where there may be one, $reference. `max_cost` is a cap in USD
    for one run; what it leaves unjudged has the status `error`.
    """

    teacher: str
    base_url: str | None = None
    on: Literal["always", "disagreement"] = "always"
    after: str = "math"
    rubric: File = str(_rubric.DEFAULT)
    max_output_tokens: Count = 2048
    effort: str | None = None
    concurrency: Count | None = None
    timeout_s: Positive = 300.0
    max_cost: Amount | None = None
    price_in: Amount | None = None
    price_out: Amount | None = None
    alone: ClassVar[bool] = True
    needs_reference: ClassVar[bool] = False
    most_asked: ClassVar[int] = 3
    """Times, until a reply has a verdict. One that was cut or refused is final: the next would be, too."""

    _session: Session | None = field(default=None, init=False, repr=False)
    _stored: StoredTeacher | None = field(default=None, init=False, repr=False)
    _opening: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _again: int = field(default=0, init=False, repr=False)
    """Replies that were bought because those before them had no verdict."""
    _without: set[str] = field(default_factory=set, init=False, repr=False)
    """Keys of questions whose last reply has no verdict either."""
    failed: int = field(default=0, init=False, repr=False)
    not_asked: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.on == "always" and self.after != Verifier.after:
            raise ValueError("after: goes with on=disagreement; else the judge sees every answer")
        if (self.price_in is None) != (self.price_out is None):
            raise ValueError("price_in goes with price_out: input and output are billed apart")
        if self.base_url is not None and has_no_address(self.teacher):
            raise ValueError(f"base_url: goes with a teacher on a server, and {self.teacher} needs none")
        self._teacher: Teacher = teachers.build(self.teacher, self.base_url, self.concurrency, self.timeout_s)
        self._template = _rubric.load(Path(self.rubric))
        given = [None if price is None else Decimal(str(price)) for price in (self.price_in, self.price_out)]
        self._prices = Prices(self._teacher.provider, self._teacher.model, *given)
        self._budget = None if self.max_cost is None else Budget(Decimal(str(self.max_cost)), "judge:max_cost")
        if self._budget:
            Tariff(self._prices, UNPRICED)  # a cap without a price ends the run before it begins
        self._first = plugins.build("verifiers", self.after) if self.on == "disagreement" else None

    def join(self, session: Session) -> None:
        self._session = session
        if session.budget:
            Tariff(self._prices, UNPRICED)
            if self._budget:
                self._budget.parent = session.budget

    def judge(self, response: Response) -> Verdict:
        return self.judge_many([[response]])[0][0]

    def judge_many(self, prompts: Sequence[Sequence[Response]]) -> list[list[Verdict]]:
        """Raises AccountError and StoppedError like generate; what was judged until then is stored."""
        found: dict[tuple[int, int], Verdict] = {}
        wanted: dict[tuple[int, int], Response] = {}
        for at, responses in enumerate(prompts):
            for place, response in enumerate(responses):
                verdict = self._first.judge(response) if self._first else None
                if verdict is not None and verdict.status == "correct":
                    found[at, place] = verdict
                else:
                    wanted[at, place] = response
        found |= self._ask(_surest_first(wanted, prompts))
        return [[found[at, place] for place in range(len(responses))] for at, responses in enumerate(prompts)]

    def known(self, response: Response) -> Verdict | None:
        """From the store and the first verifier alone."""
        verdict: Verdict | None = self._first.judge(response) if self._first else None
        if verdict is not None and verdict.status == "correct":
            return verdict
        store = self._session.store if self._session else None
        job, reply = self._job(response), None
        for sample in range(self.most_asked):
            answer = find(store, self._teacher, job._replace(sample=sample), retry_truncated=True) if store else None
            if answer is None:
                return None
            reply = answer.reply
            if not self._asks_again(reply):
                break
        return self._verdict(response, reply, "")

    def most_usd(self, prompt: Prompt, answer_bytes: int) -> Decimal | None:
        """What it costs at most to ask once: the rubric around an answer of so many bytes, and the whole cap."""
        answer = "x" * min(answer_bytes, LONGEST_ANSWER)
        worst = Worst.of(self._request(prompt, answer))
        return self._prices.cost(Usage(input_tokens=worst.input_tokens, output_tokens=worst.output_tokens))

    @property
    def exhausted(self) -> bool:
        budget = self._budget or (self._session.budget if self._session else None)
        return bool(budget and budget.exhausted)

    def notes(self) -> list[str]:
        bought, spent = (self._stored.bought, self._stored.spent) if self._stored else (0, Decimal(0))
        cost = "" if spent is None else f", {usd(spent)} (estimate)"
        judged = [
            f"{self.teacher} judged {counted(bought - self._again, 'answer')} now, and the store knew the others{cost}"
        ]
        times = counted(self._again, "time")
        again = [f"{times} it was asked again, after a reply without a verdict"] * bool(self._again)
        without = counted(len(self._without), "question has", "questions have")
        return [*judged, *again, *[f"{without} no verdict of {self.teacher}: status error"] * bool(self._without)]

    def _ask(self, wanted: dict[tuple[int, int], Response]) -> dict[tuple[int, int], Verdict]:
        """Equal answers to one question are one request."""
        jobs = {place: self._job(response) for place, response in wanted.items()}
        replies: dict[str, Reply] = {}
        problems: dict[str, str] = {}
        with self._opened() as stored:
            undecided = {job.key: job for job in jobs.values()}
            for sample in range(self.most_asked):
                found = self._replies(stored, [job._replace(sample=sample) for job in undecided.values()], problems)
                replies |= found
                undecided = {key: undecided[key] for key, reply in found.items() if self._asks_again(reply)}
                if not undecided:
                    break
        self.failed += len(problems)
        self.not_asked += len({job.key for job in jobs.values()} - replies.keys() - problems.keys())
        self._without |= {key for key, reply in replies.items() if _rubric.verdict_in(reply.text) is None}
        return {
            place: self._verdict(response, replies.get(jobs[place].key), problems.get(jobs[place].key, ""))
            for place, response in wanted.items()
        }

    def _replies(self, stored: StoredTeacher, jobs: Sequence[Job], problems: dict[str, str]) -> dict[str, Reply]:
        """By key, out of the store or bought; why there is none stands in `problems`."""
        known = {job.key: stored.find(job, retry_truncated=True) for job in jobs}
        replies = {key: answer.reply for key, answer in known.items() if answer}

        async def got(job: Job, answer: Answer, bought: bool) -> None:
            replies[job.key] = answer.reply
            self._again += bought and job.sample > 0

        if missing := [job for job in jobs if job.key not in replies]:
            asked = stored.session.run(stored.ask_all(iter(missing), got))
            problems |= {key: failure.message for (key, _), failure in asked.failures.items()}
        return replies

    def _asks_again(self, reply: Reply) -> bool:
        """A reply that ended by itself and without a verdict, where the next one may be another."""
        ended = reply.stop_reason == "stop" and _rubric.verdict_in(reply.text) is None
        return ended and not teachers.answers_greedily(self._teacher.provider, None)

    @contextmanager
    def _opened(self) -> Iterator[StoredTeacher]:
        """The teacher in the run's session, once for all threads; without a session, in one of its own for this call
        alone."""
        if self._session is None:
            with ExitStack() as alone:
                store = alone.enter_context(closing(Store(default_path())))
                yield alone.enter_context(Session(store)).open(self._teacher, self._terms())
            return
        with self._opening:
            if self._stored is None:
                self._stored = self._session.open(self._teacher, self._terms())
        yield self._stored

    def _terms(self) -> Terms:
        return Terms(
            self._prices,
            Limits(self._teacher.concurrency),
            timeout_s=self.timeout_s,
            max_attempts=8,
            budget=self._budget,
        )

    def _job(self, response: Response) -> Job:
        request = self._request(response.prompt, response.text[-LONGEST_ANSWER:])
        return Job(response.prompt, 0, *keys_of(self._teacher, request), request)

    def _request(self, prompt: Prompt, answer: str) -> Request:
        text = _rubric.question(prompt, answer, self._template)
        return Request((Message(role="user", content=text),), self.max_output_tokens, effort=self.effort)

    def _verdict(self, response: Response, reply: Reply | None, problem: str) -> Verdict:
        def verdict(status: Literal["correct", "incorrect", "error"], detail: str) -> Verdict:
            return Verdict(
                status=status,
                reference=response.prompt.reference,
                method=f"judge/{self._teacher.model}",
                detail=detail or None,
            )

        if reply is None:
            return verdict("error", problem or "not judged: the cap on the judge's cost is reached")
        said = _rubric.verdict_in(reply.text)
        if said is None:
            return verdict("error", f"the judge ended without a verdict ({reply.stop_reason})")
        return verdict(said.status, said.reason[:300])


Place = tuple[int, int]
"""A prompt and a sample of it."""


def _surest_first(wanted: dict[Place, Response], prompts: Sequence[Sequence[Response]]) -> dict[Place, Response]:
    """The prompts first whose answers their teacher was surest of, where log-probabilities say so: of what a cap on the
    cost leaves to be judged, most is right there. Samples of one prompt keep their order, for among these the surest is
    not the best."""
    known = [[one.confidence.mean_logprob for one in samples if one.confidence] for samples in prompts]
    means = [sum(one) / len(one) if one else float("-inf") for one in known]
    return dict(sorted(wanted.items(), key=lambda item: -means[item[0][0]]))
