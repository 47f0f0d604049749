"""Padded rows that are read from left to right, without a mask of the padding.

transformers makes none for them either, but for an attention that it makes masks for it first looks whether the
positions are those of one row or of several, and in every step the CPU waits for the GPU's answer.
"""

from typing import Any

import torch
from transformers import AttentionInterface, PreTrainedModel

NAME = "cotdistill_unmasked"
"""As `attn_implementation` of a model: torch's scaled dot-product attention, of which transformers knows no mask."""


def read_unmasked(model: PreTrainedModel) -> None:
    """Where a token sees what stands before it, or the last part of that, say so beforehand. For training alone: an
    answer to prompts of several lengths is read with a mask."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    windowed = getattr(config, "sliding_window", None) or "sliding_attention" in kinds
    # FlashAttention knows no mask: a model that can use it tells its attention the window of each layer.
    told = not windowed or model._supports_flash_attn
    known = kinds <= {"full_attention", "sliding_attention"} and not getattr(config, "attention_chunk_size", None)
    if config._attn_implementation == "sdpa" and known and told:
        AttentionInterface.register(NAME, attend)
        model.set_attn_implementation(NAME)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    *,
    sliding_window: int | None = None,
    **more: Any,
) -> Any:
    """(B, heads, L, width) queries, and keys and values of as many or fewer heads, as transformers' own."""
    return AttentionInterface()["sdpa"](module, query, key, value, _window(query, sliding_window), **more)


def _window(query: torch.Tensor, size: int | None) -> torch.Tensor | None:
    """(1, 1, L, L) which tokens each one sees, where these are not all before it."""
    length = query.shape[2]
    if not size or size >= length:
        return None
    place = torch.arange(length, device=query.device)
    distance = place[:, None] - place
    return ((distance >= 0) & (distance < size))[None, None]
