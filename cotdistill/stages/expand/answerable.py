"""Whether a new prompt can be answered: several answers to it must agree. What they agree on becomes its reference,
which nobody has verified, and which says so."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from cotdistill.records import BY_MAJORITY, DroppedPrompt, Prompt, Response
from cotdistill.stages.expand.majority import Majority
from cotdistill.stages.expand.sieve import Candidate
from cotdistill.stages.expand.trust import Trust

UNKNOWN = 0.5
"""What a reference is worth where no seed says how often the solver is right."""


@dataclass
class Answerable:
    """A reference with so many votes must be right at least as often as `min_accuracy`, by what `trust` measured.
    `weight` is that of its rows in the loss; None takes what was measured."""

    majority: Majority
    trust: Trust
    min_accuracy: float
    weight: float | None

    @property
    def samples(self) -> int:
        return self.majority.samples

    def look(self, candidate: Candidate, answers: Sequence[Response]) -> Prompt | DroppedPrompt:
        """The prompt with its reference, or why it is left out."""
        vote = self.majority.vote(candidate.prompt, answers)
        if vote is None:
            return _left(candidate, "too few of its answers agree")
        accuracy = self.trust.accuracy(vote.votes)
        votes = f"{vote.votes} of {len(answers)}"
        if accuracy is not None and accuracy < self.min_accuracy:
            return _left(
                candidate, f"so few votes are right too seldom | {votes}, right on {accuracy:.0%} of such seeds"
            )
        weight = self.weight if self.weight is not None else UNKNOWN if accuracy is None else accuracy
        tags = {**(candidate.prompt.tags or {}), **BY_MAJORITY, "votes": votes, "weight": f"{weight:.2f}"}
        return msgspec.structs.replace(candidate.prompt, reference=vote.reference, tags=tags)


def _left(candidate: Candidate, reason: str) -> DroppedPrompt:
    text = candidate.prompt.messages[-1].content
    return DroppedPrompt(id=candidate.line.id, filter="answerable", reason=reason, tags=candidate.line.tags, text=text)
