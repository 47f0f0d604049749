"""How sure a teacher is of the tokens it teaches: of what it is wholly sure of, soft labels say what the rows say."""

from dataclasses import dataclass
from typing import Any

from cotdistill.artifacts.logprobs.columns import Logprobs

ENOUGH_TOKENS = 20_000
"""That are looked at: the mean entropy of so many is known within a few hundredths."""

NOTHING_TO_SAY = 0.01
"""Nats a token: below it a teacher's probabilities and its choices are the same to two decimals."""


@dataclass
class Sureness:
    """Over `tokens`: the sum of the entropies in nats, and for how many the teacher's first choice is another token
    than the one that stands there."""

    tokens: int = 0
    nats: float = 0.0
    disagreeing: int = 0
    temperature: float = 1.0

    @property
    def entropy(self) -> float:
        return self.nats / max(1, self.tokens)

    @property
    def disagreement(self) -> float:
        return self.disagreeing / max(1, self.tokens)

    def add(self, one: Logprobs) -> None:
        """An answer with alternatives. What is not listed counts as one token, so the entropy is the least it can
        be."""
        import numpy as np  # not for --help

        if not one.k:
            return
        logprobs = np.frombuffer(one.top_logprobs, "<f2").reshape(-1, one.k).astype(np.float64)
        first = np.frombuffer(one.top, "<u4").reshape(-1, one.k)[np.arange(len(logprobs)), logprobs.argmax(axis=1)]
        shares = np.exp(logprobs)
        rest = np.clip(1 - shares.sum(axis=1, keepdims=True), 0, 1)
        self.tokens += len(logprobs)
        self.nats += _entropy(np.concatenate([shares, rest], axis=1))
        self.disagreeing += int((first != np.frombuffer(one.tokens, "<u4")).sum())

    def results(self) -> dict[str, float]:
        return {"teacher_entropy": round(self.entropy, 4), "teacher_disagrees_share": round(self.disagreement, 4)}

    def words(self, loss: str = "soft") -> str:
        """`loss` is the one that asks: soft alone learns no more from a sure teacher than from the row."""
        at = f" at temperature {self.temperature:g}" if self.temperature != 1 else ""
        said = (
            f"the teacher's entropy is {self.entropy:.4f} nats a token{at}; at {self.disagreement:.2%} of "
            f"{self.tokens:,} tokens its first choice is another one"
        )
        if self.entropy >= NOTHING_TO_SAY or loss != "soft":
            return said
        return f"{said}. So sure a teacher says no more than the rows do: expect of --loss soft what nll gives"


def _entropy(shares: Any) -> float:
    import numpy as np

    logarithms = np.log(shares, where=shares > 0, out=np.zeros_like(shares))
    return float(-(shares * logarithms).sum())
