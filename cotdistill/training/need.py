"""What a run needs of memory and disk, before it is known."""

import torch
from transformers import PreTrainedModel

from cotdistill.config import FinetuneConfig
from cotdistill.students import memory
from cotdistill.training import precision
from cotdistill.training.objective import Objective


def checkpoint_bytes(model: PreTrainedModel, config: FinetuneConfig) -> int:
    """What one checkpoint takes on disk: weights as they are trained, and the optimizer's state. Two are kept."""
    trained = _trained_weights(model, config)
    weight = 2 if precision.is_half(config) else 4
    state = 6 if precision.is_half(config) else 8  # both moments, and what Kahan summation keeps
    return trained * (weight + state)


def _trained_weights(model: PreTrainedModel, config: FinetuneConfig) -> int:
    if not config.adapts:
        return sum(weight.numel() for weight in model.parameters())
    return sum(config.lora_rank * (layer.in_features + layer.out_features) for layer in _adapted(model))


def _needed_bytes(model: PreTrainedModel, widest: int, config: FinetuneConfig) -> int:
    adapted = sum(layer.in_features for layer in _adapted(model)) if config.adapts else 0
    if precision.is_half(config):
        adapted = 0  # the adapter reads what the layer reads, in the same format
    trained = _trained_weights(model, config) * precision.bytes_a_trained_weight(config)
    return memory.needed_bytes(model, trained, widest, adapted)


def _adapted(model: PreTrainedModel) -> list[torch.nn.Linear]:
    """LoRA puts two thin matrices beside each linear layer but the output's."""
    head = model.get_output_embeddings()
    return [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear) and layer is not head]


def needs_checkpointing(
    model: PreTrainedModel, widest: int, config: FinetuneConfig, objective: Objective | None
) -> bool:
    """Whether activations are computed twice instead of kept; `widest` is the most tokens in memory at once."""
    if config.checkpointing != "auto":
        return config.checkpointing == "on"
    needed = _needed_bytes(model, widest, config) + (objective.needed_bytes(widest) if objective else 0)
    return memory.is_short(needed, int(model.get_memory_footprint()))
