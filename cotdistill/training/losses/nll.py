"""The cross-entropy of the rows' own tokens."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from cotdistill.training.loss import token_losses
from cotdistill.training.losses import Needs
from cotdistill.training.scored import Scored


@dataclass(frozen=True)
class Loss:
    """The next token of each row, as it is written: the usual loss of fine-tuning."""

    needs: ClassVar[Needs] = "nothing"

    def token_losses(self, batch: Scored) -> torch.Tensor:
        return token_losses(batch.student.outputs.logits, batch.kept, batch.targets)
