"""Whether a new prompt can be answered: several answers to it must agree. What they agree on becomes its reference,
which nobody has verified, and which says so."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from cotdistill.records import BY_MAJORITY, Prompt, Response
from cotdistill.stages.expand.sieve import Candidate, Left
from cotdistill.verifiers.majority import Verifier


@dataclass
class Majority:
    """`agreement` is the share of the samples that must agree, `weight` that of rows with such a reference."""

    samples: int
    agreement: float
    weight: float

    def __post_init__(self) -> None:
        self._verifier = Verifier(min_share=self.agreement)

    def look(self, candidate: Candidate, answers: Sequence[Response]) -> Prompt | Left:
        """The prompt with its reference, or why it cannot be answered."""
        verdicts = self._verifier.judge_prompt(answers)
        won = next((one for one in verdicts if one.status == "correct"), None)
        if won is None or won.reference is None:
            detail = next((one.detail for one in verdicts if one.status == "unverified"), "no answer in any of them")
            return Left(
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
