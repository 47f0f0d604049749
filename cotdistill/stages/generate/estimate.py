"""Estimates what a run would ask and cost, before a cent is spent."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from cotdistill.dispatch.asking import Job
from cotdistill.dispatch.budget import Budget, Tariff, Worst
from cotdistill.errors import CotDistillError
from cotdistill.pricing import BATCHED, Prices, plus
from cotdistill.records import Message, Usage
from cotdistill.stages.generate.plan import Answers, Plan
from cotdistill.store.answers import Known
from cotdistill.wording import amount, usd

if TYPE_CHECKING:
    from cotdistill.stages.verification import Judge

LOOKED_UP = 64
"""Prompts that the store is asked about at once."""

SAMPLED = 100
"""How many stored answers the guess of the output's length is taken from."""

CHAT_TOKENS = 12
"""Tokens that a chat template adds to the text of a short request: begin, roles, ends, the opened turn."""


BYTES_A_TOKEN = 16
"""The most bytes that a token of an answer stands for: longer tokens are runs of spaces."""


@dataclass
class Survey:
    """Counts what a run lacks. It reads the whole file, so a file that was surveyed can be read."""

    prices: Prices
    counts_tokens: bool = True
    """Only an estimate needs tokens."""
    prompts: int = 0
    open: int = 0
    """Prompts that need another answer, or a verdict on one."""
    wanted: int = 0
    missing: int = 0
    """Requests to be asked in any case."""
    most_missing: int = 0
    """Requests to be asked where no answer is accepted."""
    input_tokens: int = 0
    most_input_tokens: int = 0
    most_output_tokens: int = 0
    stored_tokens: list[tuple[int, int, int]] = field(default_factory=list)
    """For each stored answer: input tokens as estimated here, input and output tokens as billed."""
    judge_usd: Decimal | None = Decimal(0)
    """The most that the verdicts of a paid judge may cost: one on each answer that may be asked or is not judged
    yet."""
    first: Job | None = None
    """The first missing request."""

    @classmethod
    def of(cls, plan: Plan, prices: Prices, complete: Callable[[Answers], None] | None = None) -> "Survey":
        """Survey the plan. `complete` is called with each prompt's answers from the store, up to the first prompt that
        lacks one; from there on the plan remembers the prompts, so that the file is not read again. Tokens are counted
        only without `complete`."""
        survey, prompts = cls(prices, counts_tokens=complete is None), plan.prompts()
        while some := list(islice(prompts, LOOKED_UP)):
            known = plan.store.known([jobs[0].key for jobs in some], [jobs[0].family for jobs in some])
            for jobs in some:
                answers, missing = survey._look_up(jobs, known, plan)
                if complete is None:
                    continue
                if survey.open:
                    plan.remember(jobs, missing)
                else:
                    complete(answers)
        return survey

    def _look_up(self, jobs: list[Job], known: Known, plan: Plan) -> tuple[Answers, list[Job]]:
        """Count one prompt. Returns its stored answers, and the missing jobs. Once there are enough answers to guess by
        and a prompt lacks its own, answers are no longer read."""
        self.prompts += 1
        if plan.judge is None:
            there = [known.has(job.key, job.family, job.sample) for job in jobs]
            if self.open and len(self.stored_tokens) >= SAMPLED:
                missing = [
                    job
                    for job, has in zip(jobs, there, strict=True)
                    if not has or (has == "another cap" and plan.stored(job) is None)
                ]
                self.open += bool(missing)
                self._count(jobs, missing, missing)
                return [], missing
            if not any(there):
                self.open += 1
                self._count(jobs, jobs, jobs)
                return [], jobs
        answers = list(plan.answered(jobs))
        self._add(jobs, answers, plan)
        return answers, [job for job, answer in answers if answer is None]

    def _add(self, jobs: list[Job], answers: Answers, plan: Plan) -> None:
        missing = [job for job, answer in answers if answer is None]
        possible, undecided = missing, bool(missing)
        if plan.judge is not None:
            accepted = [None if answer is None else plan.accepts(job, answer) for job, answer in answers]
            undecided = None in accepted
            if accepted.count(True) < (plan.config.until_accepted or 0):
                possible = [*missing, *jobs[len(answers) :]]  # as if no answer were right
            if undecided and plan.judge.asks:
                self._count_verdicts(
                    plan.judge, [job for job, _ in answers[accepted.index(None) :]], jobs[len(answers) :]
                )
        self.open += undecided
        self._count([job for job, _ in answers], missing, possible)
        for job, answer in answers:
            usage = None if answer is None else answer.reply.usage
            if usage and usage.output_tokens is not None and len(self.stored_tokens) < SAMPLED:
                billed = usage.input_tokens or 0
                self.stored_tokens.append((estimated_tokens(job.request.messages), billed, usage.output_tokens))

    def _count(self, wanted: list[Job], missing: list[Job], possible: list[Job]) -> None:
        self.wanted += len(wanted)
        self.missing += len(missing)
        self.most_missing += len(possible)
        self.first = self.first or next(iter(possible), None)
        if not self.counts_tokens:
            return
        for job in missing:
            self.input_tokens += estimated_tokens(job.request.messages)
        for job in possible:
            worst = Worst.of(job.request)
            self.most_input_tokens += worst.input_tokens
            self.most_output_tokens += worst.output_tokens

    def _count_verdicts(self, judge: "Judge", *jobs: list[Job]) -> None:
        for job in (one for some in jobs for one in some):
            cost = judge.most_usd(job.prompt, job.request.max_output_tokens * BYTES_A_TOKEN)
            self.judge_usd = plus(self.judge_usd, None if cost is None else cost * judge.most_asked)

    def counts(self) -> dict[str, int]:
        in_store = self.wanted - self.missing
        counts = {"prompts": self.prompts, "responses": self.wanted, "in_store": in_store, "to_ask": self.missing}
        return counts if self.most_missing == self.missing else {**counts, "to_ask_at_most": self.most_missing}

    def estimate(self) -> dict[str, Any]:
        """Tokens and USD of what is missing. The guess is taken from stored answers of this teacher, if there are any.
        "At most" is the bound that --max-cost goes by: every answer at its cap, a token for each byte of input."""
        if not self.most_missing:
            return {}
        known = self.stored_tokens
        expected = self._input_by(known)
        results: dict[str, Any] = {"input_tokens": expected, "output_tokens_at_most": self.most_output_tokens}
        costs = {"cost_usd_at_most": Usage(input_tokens=self.most_input_tokens, output_tokens=self.most_output_tokens)}
        if known:
            results["output_tokens"] = self.missing * sum(output for _, _, output in known) // len(known)
            costs["cost_usd"] = Usage(input_tokens=expected, output_tokens=results["output_tokens"])
        for name, usage in costs.items():
            cost = self.prices.cost(usage)
            if cost is None:
                results["cost"] = self.prices.why_unknown
                continue
            results[name] = amount(cost)
            if self.prices.provider in BATCHED:
                results[f"{name}_batch"] = amount(cost / 2)
        return results

    def notes_on_cap(self, cap: float | None, tariff: Tariff | None, results: dict[str, Any]) -> Iterator[str]:
        """Says what --max-cost would do to the run; `results` are those of `estimate`."""
        if cap is None or tariff is None or self.first is None:
            return
        try:
            Budget(Decimal(str(cap))).check(tariff, self.first.request)
        except CotDistillError as error:
            yield f"WARNING: the run would be refused: {error}"
            return
        if (expected := results.get("cost_usd")) and Decimal(expected) > Decimal(str(cap)):
            over = f"{usd(expected)} are more than --max-cost {amount(cap)}"
            yield f"{over}: the run would stop there; the same command goes on"

    def _input_by(self, known: list[tuple[int, int, int]]) -> int:
        """The estimate of input tokens, corrected by what this teacher billed for stored answers."""
        estimated, billed = sum(one for one, _, _ in known), sum(one for _, one, _ in known)
        return round(self.input_tokens * billed / estimated) if estimated and billed else self.input_tokens


def estimated_tokens(messages: Iterable[Message], around: str = "") -> int:
    """Estimate the input tokens of a request: three bytes a token, as English and code have with the usual
    vocabularies, and what a chat template adds. `around` is a template that the question is put into."""
    texts = (*(turn.content for turn in messages), around)
    return CHAT_TOKENS + -(-sum(len(text.encode("utf-8", "replace")) for text in texts) // 3)
