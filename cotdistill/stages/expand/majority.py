"""What several answers to one prompt agree on, if they do."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from cotdistill import plugins
from cotdistill.records import Prompt, Response, question_of
from cotdistill.stages.expand.sieve import unverified
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


class Vote(NamedTuple):
    """What most answers agree on; `response` is one of them."""

    reference: str
    votes: int
    response: Response


@dataclass
class Majority:
    """`agreement` is the share of the samples that must agree."""

    samples: int
    agreement: float

    def __post_init__(self) -> None:
        self._verifier = Verifier(min_share=self.agreement)
        self._refusal = plugins.build("filters", "refusal")

    def vote(self, prompt: Prompt, answers: Sequence[Response]) -> Vote | None:
        """None where too few agree."""
        verdicts = self._verifier.judge_prompt([self._without_excuse(prompt, one) for one in answers])
        won = [one for one, verdict in zip(answers, verdicts, strict=True) if verdict.status == "correct"]
        reference = next((one.reference for one in verdicts if one.status == "correct"), None)
        return None if reference is None else Vote(reference, len(won), won[0])

    def _without_excuse(self, prompt: Prompt, response: Response) -> Response:
        """Empty where it says that the prompt has no answer, refuses it or guesses: then it votes for nothing."""
        excuse = _HAS_NO_ANSWER.search(response.text)
        if excuse and excuse[0].casefold() in question_of(prompt).casefold():
            excuse = None  # the prompt asks about it
        if excuse or ask("refusal", self._refusal, unverified(response)):
            return msgspec.structs.replace(response, text="")
        return response
