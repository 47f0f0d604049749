"""Whether a new prompt can be answered: several answers to it must agree. What they agree on becomes its reference,
which nobody has verified, and which says so."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from cotdistill import plugins
from cotdistill.records import BY_MAJORITY, DroppedPrompt, Prompt, Response, question_of
from cotdistill.stages.expand.sieve import Candidate, unverified
from cotdistill.stages.filter.screen import ask
from cotdistill.verifiers.majority import Verifier

_HAS_NO_ANSWER = re.compile(
    r"\b(?:can ?not|can't|impossible to|unable to) (?:be )?"
    r"(?:determined?|answer(?:ed)?|solved?|computed?|calculated?)\b"
    r"|\b(?:not enough|insufficient|missing|too little) (?:information|data|details|context)\b"
    r"|\b(?:is|are|was|were)(?: not|n't) (?:given|defined|specified|stated|provided)\b"
    r"|\b(?:contradicts? itself|(?:is|are) contradictory|inconsistent|ill-posed)\b",
    re.IGNORECASE,
)
"""Answers that agree with each other on this are no reference."""


@dataclass
class Majority:
    """`agreement` is the share of the samples that must agree, `weight` that of rows with such a reference."""

    samples: int
    agreement: float
    weight: float

    def __post_init__(self) -> None:
        self._verifier = Verifier(min_share=self.agreement)
        self._refusal = plugins.build("filters", "refusal")

    def look(self, candidate: Candidate, answers: Sequence[Response]) -> Prompt | DroppedPrompt:
        """The prompt with its reference, or why it cannot be answered."""
        verdicts = self._verifier.judge_prompt([self._without_excuse(candidate.prompt, one) for one in answers])
        won = next((one for one in verdicts if one.status == "correct"), None)
        if won is None or won.reference is None:
            detail = next((one.detail for one in verdicts if one.status == "unverified"), "no answer in any of them")
            return DroppedPrompt(
                id=candidate.line.id,
                filter="answerable",
                reason=f"its answers do not agree | {detail}",
                tags=candidate.line.tags,
                text=candidate.prompt.messages[-1].content,
            )
        votes = sum(one.status == "correct" for one in verdicts)
        tags = {
            **(candidate.prompt.tags or {}),
            **BY_MAJORITY,
            "votes": f"{votes} of {len(answers)}",
            "weight": f"{self.weight:g}",
        }
        return msgspec.structs.replace(candidate.prompt, reference=won.reference, tags=tags)

    def _without_excuse(self, prompt: Prompt, response: Response) -> Response:
        """Empty where it says that the prompt has no answer, refuses it or guesses: then it votes for nothing."""
        excuse = _HAS_NO_ANSWER.search(response.text)
        if excuse and excuse[0].casefold() in question_of(prompt).casefold():
            excuse = None  # the prompt asks about it
        if excuse or ask("refusal", self._refusal, unverified(response)):
            return msgspec.structs.replace(response, text="")
        return response
