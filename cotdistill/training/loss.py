"""The cross-entropy of each trained token, and their weighted mean over a whole step."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

CHUNK = 64 * 2**20
"""Scores that are handled in 32 bits at a time: 256 MB, whatever the vocabulary and the batch."""

LITTLE = 1e-9
"""Added under a sum of weights, so that a batch of rows with weight 0 has a loss of 0, not 0 / 0."""


def is_compact(model: PreTrainedModel) -> bool:
    """Whether the model can be asked for the scores of some positions alone."""
    return "logits_to_keep" in inspect.signature(type(model).forward).parameters


def token_losses(logits: torch.Tensor, kept: torch.Tensor | None, targets: torch.Tensor) -> torch.Tensor:
    """(B, P, vocabulary) scores -> (N,) losses in nats. `kept` (N,) are places among the B x P, None for all. Training
    overwrites the scores: whoever needs them too must read them before."""
    scores = logits.flatten(0, 1)
    if kept is not None:
        scores = scores[kept]
    losses: torch.Tensor = _CrossEntropy.apply(scores, targets)  # type: ignore[no-untyped-call]
    return losses


class _CrossEntropy(torch.autograd.Function):
    """(N, vocabulary) scores, (N,) targets -> (N,) losses in 32 bits.

    The gradients are written over the scores while these are at hand, as Liger's kernel does (Hsu et al. 2024,
    https://arxiv.org/abs/2410.10989): no second copy of them and no second look. That kernel itself counts its targets
    on the processor and so waits for the GPU four times a step; this is made of torch's operations, which do not.
    """

    @staticmethod
    def forward(context: Any, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        # It shares the scores' version: had another step kept them for its own gradient, torch would refuse.
        over = scores.detach()
        losses = torch.empty(len(targets), dtype=torch.float32, device=scores.device)
        rows = max(1, CHUNK // scores.shape[-1])
        for start in range(0, len(targets), rows):
            part, at = slice(start, start + rows), targets[start : start + rows, None]
            logs = torch.log_softmax(over[part].float(), dim=-1)
            losses[part] = -logs.gather(1, at).squeeze(1)
            if context.needs_input_grad[0]:
                gradient = logs.exp_()
                over[part] = gradient.scatter_add_(1, at, torch.full_like(at, -1, dtype=gradient.dtype))
        context.gradients = over
        return losses

    @staticmethod
    def backward(context: Any, *given: torch.Tensor) -> tuple[torch.Tensor, None]:
        gradients: torch.Tensor = context.gradients
        return gradients.mul_(given[0][:, None].to(gradients.dtype)), None


def in_parts(
    compute: Callable[..., torch.Tensor], scores: torch.Tensor, *others: torch.Tensor, numbers: int = CHUNK
) -> torch.Tensor:
    """Apply `compute` to (N, vocabulary) scores and other tensors of N rows -> (N,) losses, `numbers` scores at a
    time."""
    rows = max(1, numbers // scores.shape[-1])
    if len(scores) <= rows:
        return compute(scores, *others)
    # A second look at the scores costs less than to keep a copy of them in 32 bits.
    parts = zip(*(torch.split(one, rows) for one in (scores, *others)), strict=True)
    return torch.cat([checkpoint(compute, *part, use_reentrant=False) for part in parts])


def mean(
    losses: torch.Tensor, weights: torch.Tensor | None, items: torch.Tensor | float | None, processes: int
) -> torch.Tensor:
    """The weighted mean of (N,) losses. `items` is the sum of the weights over all parts and processes of a step, None
    where it is not known."""
    if weights is not None:
        losses = losses * weights
    if items is None:
        share = len(losses) if weights is None else weights.sum().clamp(min=LITTLE)
        return losses.sum() / share
    items = items.clamp(min=LITTLE) if isinstance(items, torch.Tensor) else max(items, LITTLE)
    return losses.sum() / items * processes  # the gradients are averaged over the processes afterwards


def of_rows(losses: torch.Tensor, weights: torch.Tensor | None, row_of: torch.Tensor, rows: int) -> torch.Tensor:
    """(N,) losses of trained tokens, each of row `row_of` (N,) -> (rows, 2): the weighted sum of each row, and the sum
    of its weights."""
    share = torch.ones_like(losses) if weights is None else weights
    return losses.new_zeros(rows, 2).index_add_(0, row_of, torch.stack([losses * share, share], dim=1))
