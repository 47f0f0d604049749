"""The losses that a student can be trained with, one file each: `--loss soft:alpha=0.5` is `soft.py`.

A loss says of every trained token how far the student is from what it should be; weighting, packing, gradient
accumulation and the mean over a step are the trainer's.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Protocol

import torch

from cotdistill.training.scored import Scored

Needs = Literal["nothing", "probabilities", "hidden states", "attention", "pairs"]
"""What a loss looks at besides the student's scores: the teacher's probabilities, of a local teacher or recorded ones;
hidden states, or attention, of both, which only a local teacher has; pairs of rows, which TRL's own trainer reads."""


class Loss(Protocol):
    """A dataclass whose fields are the options."""

    needs: ClassVar[Needs]

    def token_losses(self, batch: Scored) -> torch.Tensor:
        """(N,) losses in nats, one for each trained token of a batch."""


def needs(loss: Loss) -> Needs:
    return getattr(loss, "needs", "nothing")


def projections(loss: Loss, student: Any, teacher: Any) -> Mapping[str, torch.nn.Module]:
    """What a loss has to learn itself, by name, for these two configurations; nothing of it is part of the student."""
    make = getattr(loss, "projections", None)
    return make(student, teacher) if make else {}
