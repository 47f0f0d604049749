"""Hidden states of the teacher as hints: FitNets, Romero et al. 2015, https://arxiv.org/abs/1412.6550, on every layer
as TinyBERT does, Jiao et al. 2020, https://arxiv.org/abs/1909.10351.

Beside the cross-entropy, not in a stage before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import torch
from torch.nn.functional import mse_loss

from cotdistill.training.loss import token_losses
from cotdistill.training.losses import Needs
from cotdistill.training.scored import Scored, layer_pairs

_LITTLE = 1e-6
"""Under a mean square, so that a teacher whose state is 0 leaves a number."""


@dataclass(frozen=True)
class Loss:
    """The cross-entropy, plus how far the student's hidden states are from a local teacher's.

    A linear layer that is learnt beside the student, and left behind, takes each of its states to the teacher's width;
    where both are as wide there is none. Of each token and layer the mean squared error, over the teacher's mean
    square: the widths and scales of models differ by orders of magnitude, and so would the weight that they need.
    gate: where the teacher would rather have written another token, its state leads there, and is left out.
    """

    weight: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 1.0
    layers: Literal["uniform", "last"] = "uniform"
    gate: bool = True
    needs: ClassVar[Needs] = "hidden states"

    def token_losses(self, batch: Scored) -> torch.Tensor:
        student, teacher = batch.pair()
        hard = token_losses(student.outputs.logits, batch.kept, batch.targets)
        pairs = list(layer_pairs(student.config, teacher.config, self.layers))
        errors = []
        for own, its in pairs:
            state, hint = batch.hidden(student, own), batch.hidden(teacher, its).float()
            if learnt := batch.projections.get(_name(own)):
                state = learnt(state)
            error = mse_loss(state.float(), hint, reduction="none").mean(dim=-1)
            errors.append(error / hint.square().mean(dim=-1).clamp(min=_LITTLE))
        error = torch.stack(errors).mean(dim=0)
        return hard + self.weight * (torch.where(batch.agrees(), error, 0.0) if self.gate else error)

    def projections(self, student: Any, teacher: Any) -> Mapping[str, torch.nn.Module]:
        if student.hidden_size == teacher.hidden_size:
            return {}
        return {
            _name(own): torch.nn.Linear(student.hidden_size, teacher.hidden_size)
            for own, _ in layer_pairs(student, teacher, self.layers)
        }


def _name(layer: int) -> str:
    return f"layer_{layer}"
