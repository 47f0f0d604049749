"""Soft labels: the teacher's probabilities of every next token, beside the token that stands in the row.

Hinton, Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531: (1 - alpha) times the cross-entropy plus alpha times
the divergence from the teacher, whose share is multiplied by the square of the temperature.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec
import torch
from torch.nn.functional import nll_loss

from cotdistill.plugins import Share
from cotdistill.training.loss import in_parts
from cotdistill.training.losses import Needs
from cotdistill.training.losses.divergence import Kind, divergence, divergence_top_k
from cotdistill.training.scored import Scored

PART = 16 * 2**20
"""Scores that are computed with at a time: of each, several numbers of 32 bits are needed at once."""


@dataclass(frozen=True)
class Loss:
    """The teacher's probabilities beside the row's token, where its first choice is that token.

    gate: where the teacher would rather have written another token than the one that was kept, the position has the
    cross-entropy alone. Rows are kept because they are right; a teacher that is often wrong there would teach its
    mistake again.
    """

    alpha: Share = 0.5
    temperature: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    divergence: Kind = "forward"
    skew: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.1
    gate: bool = True
    needs: ClassVar[Needs] = "probabilities"

    def __post_init__(self) -> None:
        if not math.isfinite(self.temperature):
            raise ValueError(f"temperature: expected a number, got {self.temperature}")
        if self.skew != Loss.skew and self.divergence != "skew":
            raise ValueError(f"skew: goes with divergence=skew, and it is {self.divergence}")

    def token_losses(self, batch: Scored) -> torch.Tensor:
        own = batch.scores(batch.student)
        if batch.listed is not None:
            return in_parts(self._from_listed, own, batch.targets, *batch.listed, numbers=PART)
        _, teacher = batch.pair()
        return in_parts(self._from_scores, own, batch.targets, batch.scores(teacher), numbers=PART)

    def _from_scores(self, student: torch.Tensor, targets: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """(N, vocabulary), (N,), (N, the teacher's vocabulary) -> (N,). One of them may have more scores than there
        are tokens; the others are compared."""
        hard = nll_loss(torch.log_softmax(student.float(), dim=-1), targets, reduction="none")
        both = min(student.shape[-1], teacher.shape[-1])
        student, teacher = student[:, :both], teacher[:, :both]
        soft = divergence(student, teacher, self.divergence, temperature=self.temperature, skew=self.skew)
        return self._mixed(hard, soft, teacher.argmax(dim=-1) == targets)

    def _from_listed(
        self, student: torch.Tensor, targets: torch.Tensor, ids: torch.Tensor, logprobs: torch.Tensor
    ) -> torch.Tensor:
        """(N, vocabulary), (N,), (N, K), (N, K) -> (N,). A token of which nothing is listed has ids of -1 alone."""
        hard = nll_loss(torch.log_softmax(student.float(), dim=-1), targets, reduction="none")
        soft = divergence_top_k(student, ids, logprobs, self.divergence, skew=self.skew)
        first = ids.gather(-1, logprobs.argmax(dim=-1, keepdim=True)).squeeze(-1)
        known = (ids >= 0).any(dim=-1)
        return torch.where(known, self._mixed(hard, soft, first == targets), hard)

    def _mixed(self, hard: torch.Tensor, soft: torch.Tensor, agree: torch.Tensor) -> torch.Tensor:
        mixed = (1 - self.alpha) * hard + self.alpha * soft
        return torch.where(agree, mixed, hard) if self.gate else mixed
