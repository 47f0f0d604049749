"""The answer that most samples of a prompt agree on, for prompts without a reference."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from cotdistill.answers.classes import classes
from cotdistill.answers.cpu_budget import CpuBudget
from cotdistill.answers.equality import Equality
from cotdistill.answers.extract import final_answer
from cotdistill.plugins import Count, Share
from cotdistill.reasoning import split
from cotdistill.records import MAJORITY, Response, Status, Verdict


@dataclass
class Verifier:
    """The answer of most samples of the prompt is right, by value and not by spelling; a reference is ignored.

    The largest class of equal answers must have `min_votes` samples and a share of `min_share` among all samples of
    the prompt; otherwise, and where two classes are equally large, all samples are `unverified`. An answer that did
    not end by itself has no vote. Formulas are compared by algebra for `deadline_s` of processor time a prompt, after
    which they are equal where they are spelt alike.
    """

    min_share: Share = 0.5
    min_votes: Count = 2
    deadline_s: float = 5.0
    _equality: Equality = field(default_factory=lambda: Equality(deadline_s=1), init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.deadline_s <= 3600:
            raise ValueError(f"deadline_s={self.deadline_s}: expected 0 to 3600")

    def judge(self, response: Response) -> Verdict:
        return self.judge_prompt([response])[0]

    def judge_prompt(self, responses: Sequence[Response]) -> list[Verdict]:
        answers = [_answer(response) for response in responses]
        said = [(place, answer) for place, answer in enumerate(answers) if answer]
        budget = CpuBudget(self.deadline_s)

        def equal(one: str, other: str) -> bool:
            return self._equality.equal(one, other, budget)

        groups = sorted(classes([answer for _, answer in said], equal), key=len, reverse=True)
        votes = len(groups[0]) if groups else 0
        detail = f"{votes} of {len(responses)}"
        refusal = self._refusal(len(responses), votes, [len(group) for group in groups])
        if refusal:
            detail = f"{detail}, {refusal}"
        winners = {said[place][0] for place in groups[0]} if groups and not refusal else set()
        reference = Counter(answers[place] for place in sorted(winners)).most_common(1)[0][0] if winners else None
        return [
            self._verdict(answer, place in winners, reference, detail, bool(refusal))
            for place, answer in enumerate(answers)
        ]

    def _refusal(self, samples: int, votes: int, sizes: Sequence[int]) -> str | None:
        if sizes.count(votes) > 1:
            return "a tie"
        if votes < self.min_votes:
            return f"fewer than {self.min_votes} votes"
        return f"less than {self.min_share:g} of the samples" if votes < self.min_share * samples else None

    def _verdict(self, answer: str | None, won: bool, reference: str | None, detail: str, open: bool) -> Verdict:
        if not answer:
            return Verdict(status="no_answer", reference=reference, method=MAJORITY, detail="no final answer")
        if open:
            return Verdict(status="unverified", answer=answer, method=MAJORITY, detail=detail)
        status: Status = "correct" if won else "incorrect"
        return Verdict(status=status, answer=answer, reference=reference, method=MAJORITY, detail=detail)


def _answer(response: Response) -> str | None:
    found = final_answer(split(response.text).answer) if response.stop_reason == "stop" else None
    return found.answer if found else None
