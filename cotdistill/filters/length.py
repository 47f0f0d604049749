"""Traces and answers outside a length that a student can learn from."""

from dataclasses import dataclass

from cotdistill.records import Judged


@dataclass
class Filter:
    """Drops answers without text, and traces or answers outside the given lengths, in characters."""

    min_reasoning: int = 0
    max_reasoning: int = 40_000
    min_answer: int = 1
    max_answer: int = 20_000

    def reason_to_drop(self, judged: Judged) -> str | None:
        reasoning, answer = len(judged.response.reasoning or ""), len(judged.response.text.strip())
        if reasoning < self.min_reasoning:
            return f"reasoning under {self.min_reasoning} characters"
        if reasoning > self.max_reasoning:
            return f"reasoning over {self.max_reasoning} characters"
        if answer < self.min_answer:
            return f"answer under {self.min_answer} characters"
        if answer > self.max_answer:
            return f"answer over {self.max_answer} characters"
        return None
