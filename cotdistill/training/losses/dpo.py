"""Preference pairs: the right answer more likely, the wrong one of the same prompt less (DPO)."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec
import torch

from cotdistill.training.losses import Needs
from cotdistill.training.scored import Scored


@dataclass(frozen=True)
class Loss:
    """Pairs of a right and a wrong answer, of `format --format dpo`: direct preference optimisation.

    Rafailov et al. 2023, arXiv 2305.18290. `beta` holds the student to what it was before: lower moves it further.
    Train on traces first; pairs correct a student that answers already.
    """

    needs: ClassVar[Needs] = "pairs"

    beta: Annotated[float, msgspec.Meta(gt=0, le=10)] = 0.1

    def token_losses(self, batch: Scored) -> torch.Tensor:
        raise TypeError("dpo is a loss of pairs of rows; it has none of single tokens")
