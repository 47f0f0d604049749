"""What attention is computed from, kept for a loss that compares it. The attention itself stays the one that the model
would have: transformers' own way to keep it makes every layer hold tokens times tokens numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface

from cotdistill.errors import UsageError
from cotdistill.training.scored import Attended

_PREFIX = "cotdistill_recorded_"

_record: ContextVar[dict[int, Attended] | None] = ContextVar("record", default=None)


def make_recordable(model: PreTrainedModel, name: str, packed: bool) -> None:
    """Let `recording` see this model's attention. Raises UsageError for one whose attention cannot be replaced."""
    config = model.config.get_text_config()
    inner = config._attn_implementation
    if inner == "eager" and not packed:  # it has no interface
        inner = "sdpa"
    special = getattr(config, "attn_logit_softcapping", None) or inner not in AttentionInterface()
    if special or not model._supports_attention_backend:
        raise UsageError(
            f"--loss attention: {name} has an attention of its own ({config.model_type}), which cannot be looked into; "
            f"take --loss hidden"
        )
    AttentionInterface.register(_PREFIX + inner, _recorded(inner))
    if inner in AttentionMaskInterface():
        AttentionMaskInterface.register(_PREFIX + inner, AttentionMaskInterface()[inner])
    model.set_attn_implementation(_PREFIX + inner)


@contextmanager
def recording() -> Iterator[dict[int, Attended]]:
    """By layer, from 0: what each attention within the block was computed from."""
    found: dict[int, Attended] = {}
    token = _record.set(found)
    try:
        yield found
    finally:
        _record.reset(token)


def _recorded(inner: str) -> Any:
    attend = AttentionInterface()[inner]

    def recorded(
        module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *more: Any, **options: Any
    ) -> Any:
        if (record := _record.get()) is not None:
            record[module.layer_idx] = Attended(query, key, value)  # type: ignore[index]
        return attend(module, query, key, value, *more, **options)

    return recorded
