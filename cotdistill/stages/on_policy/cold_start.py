"""Whether a student can learn from its own answers: some of them must be right.

From a student that is right on 18 % of the prompts nothing was learnt that more rows would not have taught; from 50 %
on, nearly everything (see docs/on-policy.md).
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cotdistill.config import EvaluateConfig, FinetuneConfig
from cotdistill.dispatch.session import Session
from cotdistill.errors import CotDistillError
from cotdistill.progress import Progress
from cotdistill.records import Prompt, is_right
from cotdistill.stages.evaluate import answers
from cotdistill.stages.verification import Judge

ASKED = 32
"""Prompts: a share of 50 % is then known to within 17 points (95 %), which tells it from 18 %."""

ABOVE_CHANCE = 0.1
"""How much more often than the most frequent reference alone a student must be right."""


@dataclass(frozen=True)
class ColdStart:
    """What the student's greedy answers to some prompts are like before the first step."""

    answer_tokens: float
    """Mean length."""
    asked: int
    """Prompts with a reference that were asked."""
    right: int
    """How many of these were answered right."""
    chance: float
    """The share that would be right if every answer were the file's most frequent reference."""

    def describe(self) -> str:
        if not self.asked:
            return (
                "no prompt has a reference, so it is not known whether the student is ever right; one that never is "
                "learns nothing here"
            )
        return f"before the first step the student is right on {self.right} of {self.asked} prompts"

    def results(self) -> dict[str, int]:
        """For the manifest."""
        return {"right_at_first": self.right, "asked_at_first": self.asked} if self.asked else {}

    def check(self, student: str) -> None:
        """Raises CotDistillError for a student that is too seldom right."""
        if not self.asked or self.right / self.asked >= self.chance + ABOVE_CHANCE:
            return
        raise CotDistillError(
            f"{student}: is right on {self.right} of {self.asked} prompts ({self.right / self.asked:.0%}), and always "
            f"the same answer would be on {self.chance:.0%}. On-policy training needs a student that is right on "
            f"{self.chance + ABOVE_CHANCE:.0%}, {ABOVE_CHANCE * 100:.0f} points more, for its own answers are all that "
            f"it learns from: train on traces first (cotdistill finetune ROWS -o DIR --student {student}), then give "
            "--student DIR"
        )


def look(prompts: Sequence[Prompt], config: FinetuneConfig, session: Session, progress: Progress) -> ColdStart:
    """Ask the student some prompts, as evaluate would."""
    references = Counter(prompt.reference for prompt in prompts if prompt.reference is not None)
    scored = [prompt for prompt in prompts if prompt.reference is not None]
    chosen = random.Random(config.seed).sample(scored or list(prompts), min(ASKED, len(scored or prompts)))
    asking = EvaluateConfig(
        student=config.student, max_output_tokens=config.max_output_tokens, threads=config.threads, seed=config.seed
    )
    (responses,) = answers.ask(config.student, [chosen], asking, session, progress)
    tokens = [one.usage.output_tokens or 0 for samples in responses for one in samples]
    mean = sum(tokens) / len(tokens)
    if not scored:
        return ColdStart(mean, 0, 0, 0.0)
    judge = Judge(config.verify)
    judge.join(session)
    verdicts = judge.judge_all(responses)
    right = sum(
        is_right(response, verdict)
        for both in zip(responses, verdicts, strict=True)
        for response, verdict in zip(*both, strict=True)
    )
    return ColdStart(mean, len(chosen), right, references.most_common(1)[0][1] / len(scored))
