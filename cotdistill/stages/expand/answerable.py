"""Decides whether a new prompt can be answered: several answers must agree. What they agree on becomes its reference,
with a tag that marks it as unverified."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from cotdistill.records import BY_MAJORITY, DroppedPrompt, Prompt, Response, is_by_majority
from cotdistill.stages.expand.majority import Majority
from cotdistill.stages.expand.sieve import Candidate
from cotdistill.stages.expand.trust import Trust

UNKNOWN = 0.5
"""The weight of a reference where no seed says how often the solver is right."""


MANY_WRONG = 0.05
"""The share of wrong references from which the user is warned: a systematic mistake in 16 % of them cost the embedded
student 38 points."""


@dataclass
class Answerable:
    """Takes a reference with so many votes if it is right at least as often as `min_accuracy`, by what `trust`
    measured. `weight` is the weight of its rows in the loss; None takes what was measured."""

    majority: Majority
    trust: Trust
    min_accuracy: float
    weight: float | None

    @property
    def samples(self) -> int:
        return self.majority.samples

    def look(self, candidate: Candidate, answers: Sequence[Response]) -> Prompt | DroppedPrompt:
        """The prompt with its reference, or the reason why it is left out."""
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

    def wrong_share(self, kept: Sequence[Prompt]) -> float | None:
        """The share of wrong ones to expect among references by majority; None where no seed says anything."""
        votes = [int((one.tags or {})["votes"].split()[0]) for one in kept if is_by_majority(one)]
        known = [accuracy for one in votes if (accuracy := self.trust.accuracy(one)) is not None]
        return round(1 - sum(known) / len(known), 4) if known else None

    def notes(self, kept: Sequence[Prompt]) -> list[str]:
        if not any(map(is_by_majority, kept)):
            return []
        found = [
            f"the references are what most of {self.samples} answers say, which nobody has verified: they carry the "
            f"tag reference_by=majority, and their rows weigh less"
        ]
        wrong = self.wrong_share(kept)
        if wrong is None:
            found.append(
                "how many of these references are wrong is not known: no seed has a reference that the solver has not "
                "learnt; for a student of the seeds, train it with format --holdout 0.2, and give --holdout 0.2 here"
            )
        if wrong is not None and wrong > MANY_WRONG:
            found.append(
                f"WARNING: by the seeds, {wrong:.0%} of these references are wrong, and a student would learn them. A "
                f"verifier, a better --solver, or --samples 8 with --min-accuracy 0.9 would help"
            )
        return found


def _left(candidate: Candidate, reason: str) -> DroppedPrompt:
    text = candidate.prompt.messages[-1].content
    return DroppedPrompt(id=candidate.line.id, filter="answerable", reason=reason, tags=candidate.line.tags, text=text)
