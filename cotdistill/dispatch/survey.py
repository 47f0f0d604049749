"""What a run would ask and cost, known before a cent is spent."""

from dataclasses import dataclass, field
from typing import Any

from cotdistill.dispatch.asking import Job
from cotdistill.dispatch.plan import Plan
from cotdistill.pricing import Prices
from cotdistill.records import Usage

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
    def of(cls, plan: Plan, prices: Prices) -> "Survey":
        survey = cls(prices)
        for jobs in plan.prompts():
            survey.prompts += 1
            for job, stored in plan.answered(jobs):
                survey.wanted += 1
                if stored is None:
                    survey._count(job)
                elif len(survey.stored_output_tokens) < SAMPLED:
                    survey.stored_output_tokens.append(plan.teacher.read(stored.raw).usage.output_tokens)
        return survey

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
                results[name], results[f"{name}_batch"] = f"{cost:.2f}", f"{cost / 2:.2f}"
        return results


def _estimated_tokens(job: Job) -> int:
    """Three bytes a token: English and code come to that with the usual vocabularies."""
    return -(-sum(len(turn.content.encode("utf-8", "replace")) for turn in job.request.messages) // 3)
