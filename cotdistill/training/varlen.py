"""Attention over rows of any length in one sequence, each blind to the others, without a mask and without padding.

On a GPU it is torch's own `varlen_attn` (FlashAttention 2, Dao 2023, https://arxiv.org/abs/2307.08691), which comes
with torch: no other package is needed. Elsewhere it is torch's scaled dot-product attention, a row at a time.

transformers makes no mask for it, for it knows of none: to make one, it would look whether the positions are those of
one row or of several, and the CPU would wait in every step for the GPU's answer.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "cotdistill_varlen"
"""As `attn_implementation` of a model."""

_UNKNOWN = ("softcap", "s_aux", "position_bias")
"""What some models ask of an attention: scores that are capped, sinks, a bias of each position."""

HALVES = (torch.bfloat16, torch.float16)
"""What the GPU's kernel computes with."""


def register() -> str:
    """Make the attention known to transformers; returns its name. There is no mask to register: transformers makes none
    for an attention without one, and for others looks on the GPU whether rows are packed, and waits for it."""
    AttentionInterface.register(NAME, attend)
    return NAME


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    *,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """(1, heads, T, width) queries, and keys and values of as many or fewer heads -> (1, T, heads, width).

    `cu_seq_lens_q` (rows + 1,) are the rows' ends, from 0; without them each of B sequences is one row. Raises
    ValueError for what it does not compute: capped scores, sinks, biases of positions, dropout, looks to the right."""
    unknown = [name for name in _UNKNOWN if more.get(name) is not None]
    if unknown or more.get("dropout") or more.get("is_causal") is False:
        raise ValueError(f"{NAME}: does not compute {unknown[0] if unknown else 'dropout, or looks to the right'}")
    if cu_seq_lens_q is None or max_length_q is None:
        return _by_row(query, key, value, [0, query.shape[2]], scaling, sliding_window), None
    if query.is_cuda:
        return _on_gpu(query, key, value, cu_seq_lens_q, max_length_q, scaling, sliding_window), None
    return _by_row(query, key, value, cu_seq_lens_q.tolist(), scaling, sliding_window), None


def _on_gpu(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    ends: torch.Tensor,
    longest: int,
    scaling: float | None,
    sliding_window: int | None,
) -> torch.Tensor:
    from torch.nn.attention.varlen import varlen_attn

    known = _parameters(varlen_attn)
    kind = query.dtype if query.dtype in HALVES else torch.bfloat16
    q, k, v = (tensor[0].transpose(0, 1).to(kind) for tensor in (query, key, value))  # (T, heads, width)
    more: dict[str, Any] = {}
    if "enable_gqa" in known:
        more["enable_gqa"] = q.shape[1] != k.shape[1]
    else:
        k, v = (tensor.repeat_interleave(q.shape[1] // tensor.shape[1], 1) for tensor in (k, v))
    if "window_size" in known:
        more["window_size"] = (sliding_window - 1 if sliding_window else -1, 0)
    elif sliding_window:
        raise ValueError("this torch has no sliding window in varlen_attn; take --packing none, or torch 2.13")
    else:
        more["is_causal"] = True
    if scaling is not None and "scale" in known:
        more["scale"] = scaling
    elif scaling is not None:
        q = q * (scaling * q.shape[-1] ** 0.5)  # the kernel divides by the root of the width
    out = varlen_attn(q.contiguous(), k.contiguous(), v.contiguous(), ends, ends, longest, longest, **more)
    out = out[0] if isinstance(out, tuple) else out
    return out[None].to(query.dtype)


@cache
def _parameters(function: Callable[..., object]) -> frozenset[str]:
    """Their names: they grew from one torch to the next."""
    return frozenset(inspect.signature(function).parameters)


def _by_row(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    ends: Sequence[int],
    scaling: float | None,
    sliding_window: int | None,
) -> torch.Tensor:
    """The reference: exact, and as fast as padded rows where there is no such kernel."""
    parts = []
    for start, end in pairwise(ends):
        q, k, v = (tensor[:, :, start:end] for tensor in (query, key, value))
        mask = None
        if sliding_window and end - start > sliding_window:
            place = torch.arange(end - start, device=query.device)
            distance = place[:, None] - place
            mask = (distance >= 0) & (distance < sliding_window)
        parts.append(
            scaled_dot_product_attention(
                q, k, v, attn_mask=mask, is_causal=mask is None, scale=scaling, enable_gqa=q.shape[1] != k.shape[1]
            )
        )
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous()  # some models take a view of it
