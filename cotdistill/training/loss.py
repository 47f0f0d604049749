"""The cross-entropy of each trained token, and their weighted mean over a whole step."""

import inspect
from collections.abc import Callable

import torch
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from cotdistill.training import fused

CHUNK = 64 * 2**20
"""Scores that are computed with in 32 bits at a time: 256 MB, whatever the vocabulary and the batch."""

_LITTLE = 1e-9
"""Under a sum of weights, so that a batch of rows that count nothing has a loss of 0, not 0 / 0."""


def is_compact(model: PreTrainedModel) -> bool:
    """Whether the model can be asked for the scores of some positions alone."""
    return "logits_to_keep" in inspect.signature(type(model).forward).parameters


def token_losses(logits: torch.Tensor, kept: torch.Tensor | None, targets: torch.Tensor) -> torch.Tensor:
    """(B, P, vocabulary) scores -> (N,) losses in nats. `kept` (N,) are places among the B x P, None for all."""
    scores = logits.flatten(0, 1)
    if kept is not None:
        scores = scores[kept]
    if fused.has_cross_entropy(scores):
        return fused.cross_entropy(scores, targets)
    return in_parts(_cross_entropy, scores, targets)


def in_parts(
    compute: Callable[..., torch.Tensor], scores: torch.Tensor, *others: torch.Tensor, numbers: int = CHUNK
) -> torch.Tensor:
    """`compute` of (N, vocabulary) scores and other tensors of N rows -> (N,) losses, `numbers` of the scores at a
    time."""
    rows = max(1, numbers // scores.shape[-1])
    if len(scores) <= rows:
        return compute(scores, *others)
    # A second look at the scores costs less than to keep a copy of them in 32 bits.
    parts = zip(*(torch.split(one, rows) for one in (scores, *others)), strict=True)
    return torch.cat([checkpoint(compute, *part, use_reentrant=False) for part in parts])


def _cross_entropy(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return cross_entropy(scores.float(), targets, reduction="none")


def mean(
    losses: torch.Tensor, weights: torch.Tensor | None, items: torch.Tensor | float | None, processes: int
) -> torch.Tensor:
    """The weighted mean of (N,) losses; `items`, where it is known, is the sum of the weights over all parts and
    processes of a step."""
    if weights is not None:
        losses = losses * weights
    if items is None:
        share = len(losses) if weights is None else weights.sum().clamp(min=_LITTLE)
        return losses.sum() / share
    items = items.clamp(min=_LITTLE) if isinstance(items, torch.Tensor) else max(items, _LITTLE)
    return losses.sum() / items * processes  # the gradients are averaged over the processes afterwards
