"""Attention of the teacher as a model for the student's: MiniLM, Wang et al. 2020, https://arxiv.org/abs/2002.10957.

Where the two have different numbers of heads, heads are joined to as many as divide both, as in MiniLMv2, Wang et al.
2021, https://arxiv.org/abs/2012.15828.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import msgspec
import torch
from torch.utils.checkpoint import checkpoint

from cotdistill.training.loss import token_losses
from cotdistill.training.losses import Needs
from cotdistill.training.scored import Attended, Scored, Span, layer_pairs


@dataclass(frozen=True)
class Loss:
    """The cross-entropy, plus how far the student's attention is from a local teacher's.

    Of each trained token: KL(teacher ‖ student) of where each head looks, and of how like its value is to the values
    before it (MiniLM's value relation; values=no leaves it out), the mean over heads. layers=last compares the last
    layers, as MiniLM does, uniform each of the student's with the teacher's at the same share of the depth.
    gate: where the teacher would rather have written another token, where it looks leads there, and is left out.
    """

    weight: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 1.0
    layers: Literal["uniform", "last"] = "last"
    values: bool = True
    gate: bool = True
    needs: ClassVar[Needs] = "attention"

    def token_losses(self, batch: Scored) -> torch.Tensor:
        student, teacher = batch.pair()
        hard = token_losses(student.outputs.logits, batch.kept, batch.targets)
        pairs = list(layer_pairs(student.config, teacher.config, self.layers))
        soft = [self._of_layer(student.attended[own - 1], teacher.attended[its - 1], batch) for own, its in pairs]
        unlike = torch.stack(soft).mean(dim=0)
        return hard + self.weight * (torch.where(batch.agrees(), unlike, 0.0) if self.gate else unlike)

    def _of_layer(self, student: Attended, teacher: Attended, batch: Scored) -> torch.Tensor:
        """(N,)"""
        parts = []
        for span in batch.spans:  # one row at a time: its scores are tokens times tokens
            own, its = _of_row(student, span), _of_row(teacher, span)
            parts.append(checkpoint(self._of_span, *own, *its, span.first - span.start, use_reentrant=False))
        return torch.cat(parts)

    def _of_span(
        self,
        queries: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        its_queries: torch.Tensor,
        its_keys: torch.Tensor,
        its_values: torch.Tensor,
        first: int,
    ) -> torch.Tensor:
        """(heads, tokens, width) of both -> (tokens - 1 - first,)."""
        heads = math.gcd(len(queries), len(its_queries))
        found = _divergence(queries, keys, its_queries, its_keys, first, heads)
        if not self.values:
            return found
        heads = math.gcd(len(values), len(its_values))
        return found + _divergence(values, values, its_values, its_values, first, heads)


def _divergence(
    student: torch.Tensor,
    own_keys: torch.Tensor,
    teacher: torch.Tensor,
    its_keys: torch.Tensor,
    first: int,
    heads: int,
) -> torch.Tensor:
    log_q = _relation(student, own_keys, first, heads)
    log_p = _relation(teacher.detach(), its_keys.detach(), first, heads)
    # What a token cannot see yet has -inf on both sides: no probability, and no difference.
    unlike = torch.where(log_p.isinf(), 0.0, log_p.exp() * (log_p - log_q))
    return unlike.sum(dim=-1).mean(dim=0)


def _relation(looking: torch.Tensor, seen: torch.Tensor, first: int, heads: int) -> torch.Tensor:
    """(heads, tokens - 1 - first, tokens) logarithms of the softmax over each token's own past, itself among it."""
    if len(seen) != len(looking):  # a key for several queries
        seen = seen.repeat_interleave(len(looking) // len(seen), dim=0)
    tokens = looking.shape[1]
    looking, seen = _joined(looking, heads)[:, first : tokens - 1], _joined(seen, heads)
    scores = looking @ seen.transpose(1, 2) / math.sqrt(looking.shape[-1])
    place = torch.arange(tokens, device=scores.device)
    return scores.masked_fill(place > place[first : tokens - 1, None], -torch.inf).log_softmax(dim=-1)


def _joined(vectors: torch.Tensor, heads: int) -> torch.Tensor:
    """(more heads, tokens, width) -> (heads, tokens, greater width), in 32 bits."""
    all_heads, tokens, width = vectors.shape
    joined = vectors.float().reshape(heads, all_heads // heads, tokens, width).transpose(1, 2)
    return joined.reshape(heads, tokens, all_heads // heads * width)


def _of_row(attended: Attended, span: Span) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    queries, keys, values = (one[span.sequence, :, span.start : span.end] for one in attended)
    return queries, keys, values
