"""What a run would ask and cost, known before a cent is spent."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cotdistill.dispatch.asking import Job
from cotdistill.pricing import BATCHED, Prices
from cotdistill.records import Usage
from cotdistill.stages.generate.plan import Answers, Plan

SAMPLED = 100
"""Stored answers that the guess of the output's length is taken from."""


@dataclass
class Survey:
    """Made by reading the whole file, so a file that is surveyed is sound."""

    prices: Prices
    prompts: int = 0
    wanted: int = 0
    missing: int = 0
    input_tokens: int = 0
    most_output_tokens: int = 0
    stored_output_tokens: list[int] = field(default_factory=list)
    first: Job | None = None
    """Of those that are missing."""

    @classmethod
    def of(cls, plan: Plan, prices: Prices, complete: Callable[[Answers], None] | None = None) -> "Survey":
        """`complete` gets each prompt's answers from the store, up to the first prompt that lacks one: a run that has
        all of them need not go through the file again."""
        survey = cls(prices)
        for jobs in plan.prompts():
            survey.prompts += 1
            if survey.missing and plan.judge is None and len(survey.stored_output_tokens) >= SAMPLED:
                survey._look_for(jobs, plan)
                continue
            answers = list(plan.answered(jobs))
            survey._add(answers, plan)
            if complete and not survey.missing:
                complete(answers)
        return survey

    def _add(self, answers: Answers, plan: Plan) -> None:
        for job, stored in answers:
            self.wanted += 1
            if stored is None:
                self._count(job)
            elif len(self.stored_output_tokens) < SAMPLED:
                tokens = plan.teacher.read(stored.raw).usage.output_tokens
                if tokens is not None:
                    self.stored_output_tokens.append(tokens)

    def _look_for(self, jobs: list[Job], plan: Plan) -> None:
        """Without reading the answers: enough of them are known."""
        for job in jobs:
            self.wanted += 1
            if not plan.store.has(job.key, job.sample) and plan.stored(job) is None:
                self._count(job)

    def _count(self, job: Job) -> None:
        self.missing += 1
        self.first = self.first or job
        self.input_tokens += _estimated_tokens(job)
        self.most_output_tokens += job.request.max_output_tokens

    def counts(self) -> dict[str, int]:
        in_store = self.wanted - self.missing
        return {"prompts": self.prompts, "responses": self.wanted, "in_store": in_store, "to_ask": self.missing}

    def estimate(self) -> dict[str, Any]:
        """Tokens and USD of what is missing. The output is guessed from stored answers of this teacher, where there
        are any; `at most` is every answer at its cap."""
        known = self.stored_output_tokens
        if not self.missing:
            return {}
        results: dict[str, Any] = {"input_tokens": self.input_tokens, "output_tokens_at_most": self.most_output_tokens}
        costs = {"cost_usd_at_most": self.most_output_tokens}
        if known:
            results["output_tokens"] = costs["cost_usd"] = self.missing * sum(known) // len(known)
        for name, output in costs.items():
            cost = self.prices.cost(Usage(input_tokens=self.input_tokens, output_tokens=output))
            if cost is None:
                results["cost"] = "unknown; give --price-in and --price-out"
            else:
                results[name] = f"{cost:.2f}"
                if self.prices.provider in BATCHED:
                    results[f"{name}_batch"] = f"{cost / 2:.2f}"
        return results


def _estimated_tokens(job: Job) -> int:
    """Three bytes a token: English and code come to that with the usual vocabularies."""
    return -(-sum(len(turn.content.encode("utf-8", "replace")) for turn in job.request.messages) // 3)
