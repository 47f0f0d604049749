"""How far the student is from its teacher at the tokens that it wrote."""

from dataclasses import dataclass

import torch

from cotdistill import plugins
from cotdistill.config import FinetuneConfig
from cotdistill.providers.scoring import TOP
from cotdistill.training.losses.divergence import Kind, divergence, divergence_top_k


@dataclass(frozen=True)
class Distance:
    """Forward KL over the teacher's `top` likeliest tokens and a tail that holds all others: what a server can give.
    Another kind, or a temperature, needs all scores of a local teacher."""

    kind: Kind = "forward"
    temperature: float = 1.0
    skew: float = 0.1
    top: int = TOP

    @classmethod
    def of(cls, loss: str) -> "Distance":
        """As `--loss soft:divergence=reverse` says; what nll says is this class's own."""
        if loss == FinetuneConfig.loss:
            return cls()
        soft = plugins.build("losses", loss)
        return cls(soft.divergence, soft.temperature, soft.skew)

    @property
    def needs_all_scores(self) -> bool:
        return self.kind != "forward" or self.temperature != 1.0

    def from_scores(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """(N, vocabulary) scores of both -> (N,) divergences in nats. Where one of them has more scores than there are
        tokens, as rows are added to round up a matrix, those that both have are compared."""
        both = min(student.shape[-1], teacher.shape[-1])
        student, teacher = student[:, :both], teacher[:, :both]
        if self.needs_all_scores or self.top >= both:
            return divergence(student, teacher, self.kind, temperature=self.temperature, skew=self.skew)
        listed = torch.log_softmax(teacher.float(), dim=-1).topk(min(self.top, both), dim=-1)
        return divergence_top_k(student, listed.indices, listed.values)

    def from_listed(self, student: torch.Tensor, ids: torch.Tensor, logprobs: torch.Tensor) -> torch.Tensor:
        """(N, vocabulary) scores and the teacher's (N, K) likeliest tokens -> (N,). A token that the student has no
        score for belongs to the tail."""
        known = ids < student.shape[-1]
        return divergence_top_k(student, torch.where(known, ids, -1), logprobs)
