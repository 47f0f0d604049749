"""A language model decides, by a rubric (Zheng et al., arXiv 2306.05685), through the same teachers, store and limits
as `generate`: an answer that was judged once is not paid for again."""

import asyncio
import hashlib
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from cotdistill import plugins, teachers
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.inputs import templates
from cotdistill.plugins import Count, File
from cotdistill.pricing import Prices
from cotdistill.providers.types import Failure, Reply, Request, Teacher
from cotdistill.records import Message, Response, Verdict

if TYPE_CHECKING:
    from cotdistill.dispatch.asking import Job
    from cotdistill.dispatch.budget import Budget
    from cotdistill.store.answers import Store

RUBRICS = templates.FOLDER / "rubrics"
FIELDS = {"question", "reference", "answer", "fence"}

LONGEST_ANSWER = 20_000
"""Characters of an answer, from its end, that the judge is shown."""

_VERDICT = re.compile(r"\W{0,4}VERDICT\W{1,6}(CORRECT|INCORRECT)\W{0,4}", re.IGNORECASE)


@dataclass
class Verifier:
    """A language model judges each answer: judge:teacher=PROVIDER:MODEL; on=disagreement asks it second.

    With `on=disagreement` the verifier `after` goes first, and the judge sees only what it did not find correct.
    `rubric` is a file with the fields $question, $reference, $answer and $fence. `max_cost` is a cap in USD for one
    run; what it leaves unjudged has the status `error`.
    """

    teacher: str
    base_url: str | None = None
    on: Literal["always", "disagreement"] = "always"
    after: str = "math"
    rubric: File = str(RUBRICS / "answer.md")
    max_output_tokens: Count = 2048
    effort: str | None = None
    concurrency: int | None = None
    timeout_s: float = 300.0
    max_cost: float | None = None
    price_in: float | None = None
    price_out: float | None = None
    alone: ClassVar[bool] = True

    _asked: int = field(default=0, init=False, repr=False)
    _spent: Decimal | None = field(default=Decimal(0), init=False, repr=False)

    def __post_init__(self) -> None:
        self._teacher: Teacher = teachers.build(self.teacher, self.base_url, self.concurrency, self.timeout_s)
        self._template = _rubric(Path(self.rubric))
        given = [None if price is None else Decimal(str(price)) for price in (self.price_in, self.price_out)]
        self._prices = Prices(self._teacher.provider, self._teacher.model, *given)
        self._budget()  # a cap without a price ends the run before it begins
        self._first = plugins.build("verifiers", self.after) if self.on == "disagreement" else None

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
        found |= self._ask(wanted)
        return [[found[at, place] for place in range(len(responses))] for at, responses in enumerate(prompts)]

    def notes(self) -> list[str]:
        cost = "" if self._spent is None else f", {self._spent:.4f} USD (estimate)"
        return [f"{self.teacher} judged {self._asked} answers now, and the store knew the others{cost}"]

    def _ask(self, wanted: dict[tuple[int, int], Response]) -> dict[tuple[int, int], Verdict]:
        from cotdistill.store.answers import Store
        from cotdistill.store.location import default_path

        jobs = {place: self._job(response) for place, response in wanted.items()}
        store = Store(default_path())
        try:
            replies, failures = asyncio.run(self._replies(list(jobs.values()), store))
        finally:
            store.close()
        verdicts = {}
        for place, response in wanted.items():
            failure = failures.get((jobs[place].prompt.id, response.sample))
            reply = replies.get(jobs[place].key)
            verdicts[place] = self._verdict(response, reply, failure.message if failure else "")
        return verdicts

    async def _replies(
        self, jobs: list["Job"], store: "Store"
    ) -> tuple[dict[str, Reply], dict[tuple[str, int], Failure]]:
        """By request key; equal answers to one question are one request."""
        from cotdistill.dispatch.asking import Limits, ask_all
        from cotdistill.progress import Silent

        stored = {job.key: raw for job in jobs if (raw := store.get(job.key, 0)) is not None}
        replies = {key: self._teacher.read(raw) for key, raw in stored.items()}
        missing = {job.key: job for job in jobs if job.key not in replies}

        async def keep(job: "Job", reply: Reply) -> None:
            await store.put(job.key, 0, job.key, self._teacher.provider, self._teacher.model, reply.raw)
            replies[job.key] = reply
            self._asked += 1
            cost = self._prices.charge(reply)
            self._spent = None if cost is None or self._spent is None else self._spent + cost

        if not missing:
            return replies, {}
        asked = await ask_all(
            self._teacher,
            iter(missing.values()),
            keep,
            limits=Limits(self._teacher.concurrency),
            timeout_s=self.timeout_s,
            max_attempts=8,
            progress=Silent(),
            budget=self._budget(),
        )
        return replies, asked.failures

    def _job(self, response: Response) -> "Job":
        from cotdistill.dispatch.asking import Job
        from cotdistill.store.answers import request_key

        prompt = response.prompt
        question = "\n\n".join(turn.content for turn in prompt.messages if turn.role == "user")
        answer = response.text[-LONGEST_ANSWER:]
        text = self._template.substitute(
            question=question,
            reference=prompt.reference or "(there is none)",
            answer=answer,
            # Nobody can write a text that holds its own hash, so no answer can close its fence.
            fence=hashlib.sha256(answer.encode("utf-8", "backslashreplace")).hexdigest()[:16],
        )
        request = Request((Message(role="user", content=text),), self.max_output_tokens, effort=self.effort)
        return Job(prompt, response.sample, request_key(self._teacher.base_url, self._teacher.body(request)), request)

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
        *reasons, last = reply.text.strip().splitlines() or [""]
        found = _VERDICT.fullmatch(last.strip())
        if found is None:
            return verdict("error", f"the judge ended without a verdict ({reply.stop_reason})")
        return verdict("correct" if found[1].upper() == "CORRECT" else "incorrect", " ".join(reasons).strip()[:300])

    def _budget(self) -> "Budget | None":
        from cotdistill.dispatch.budget import Budget

        if self.max_cost is None:
            return None
        return Budget(Decimal(str(self.max_cost)) - (self._spent or 0), self._prices)


def _rubric(path: Path) -> string.Template:
    try:
        template = string.Template(path.read_text(encoding="utf-8").strip())
    except OSError as error:
        raise UsageError(f"{path}: cannot read the rubric: {error.strerror}") from None
    if not template.is_valid() or set(template.get_identifiers()) != FIELDS:
        wanted = ", ".join(f"${name}" for name in sorted(FIELDS))
        raise CotDistillError(f"{path}: expected a rubric with exactly the fields {wanted}")
    return template
