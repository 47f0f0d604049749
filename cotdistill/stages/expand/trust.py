"""How often what several answers agree on is right, measured on seeds, whose references are known.

A teacher with a habit agrees with itself on a wrong answer, so agreement alone says little. The solver answers some
seeds as often as new prompts. The share of seeds on which so many votes were right is what a reference with as many
votes is worth.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from cotdistill.stages.evaluate import overlap
from cotdistill.stages.expand.asking import Asker
from cotdistill.stages.expand.majority import Majority
from cotdistill.stages.expand.sources import Source
from cotdistill.stages.verification import Judge

MOST_SEEDS = 100
"""The most seeds that are asked, drawn once. A store with generate's answers to them has these already."""


@dataclass
class Trust:
    """Seeds by the number of votes for their most frequent answer, and how many of them were right."""

    seeds: Counter[int] = field(default_factory=Counter)
    right: Counter[int] = field(default_factory=Counter)

    def accuracy(self, votes: int) -> float | None:
        """The estimated share of right references with this many votes; None where no seed says anything. One seed with
        the overall accuracy is added to each number of votes, so that one or two seeds do not make it 0 or 1."""
        if not self.seeds.total():
            return None
        overall = self.right.total() / self.seeds.total()
        return (self.right[votes] + overall) / (self.seeds[votes] + 1)

    def results(self, samples: int) -> dict[str, Any]:
        return {
            f"{votes} of {samples}": {"seeds": self.seeds[votes], "right": self.right[votes]}
            for votes in sorted(self.seeds, reverse=True)
        }


def measure(known: Sequence[Source], solver: Asker, majority: Majority) -> Trust:
    """Ask the solver these seeds, whose references are known."""
    answers = solver.ask([one.prompt for one in known]).answers
    trust, judge = Trust(), Judge()
    for source in known:
        vote = majority.vote(source.prompt, answers.get(source.prompt.id, []))
        if vote is None:
            continue
        verdict = judge.judge(msgspec.structs.replace(vote.response, prompt=source.prompt))
        if verdict.status in ("correct", "incorrect"):
            trust.seeds[vote.votes] += 1
            trust.right[vote.votes] += verdict.status == "correct"
    return trust


def asked_about(sources: Sequence[Source], held_out: Sequence[Source], seed: int, solver: str) -> list[Source]:
    """Up to `MOST_SEEDS` seeds with references. Where the solver is a student that learnt from the seeds, they are
    held-out ones: it is right more often on what it learnt, and what it did not learn of the others is what its teacher
    got wrong."""
    known = _known(sources)
    if solver.startswith("local:"):
        student = solver.partition(":")[2]
        if overlap.learnt(student, [one.prompt for one in known]):
            own = _known(held_out)
            learnt = {one.id for one in overlap.learnt(student, [one.prompt for one in own])}
            known = [one for one in own if one.id not in learnt]
    return random.Random(f"{seed}/trust").sample(known, min(MOST_SEEDS, len(known)))


def _known(sources: Sequence[Source]) -> list[Source]:
    return [one for one in sources if one.has_known_answer]
