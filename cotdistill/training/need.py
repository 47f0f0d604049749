"""Predicts what a run needs of memory and disk."""

import shutil
from pathlib import Path

import torch
from transformers import PreTrainedModel

from cotdistill.config import FinetuneConfig
from cotdistill.students import memory
from cotdistill.training import precision
from cotdistill.training.defaults import Way
from cotdistill.training.objective import Objective


def checkpoint_bytes(model: PreTrainedModel, config: FinetuneConfig) -> int:
    """Bytes of one checkpoint on disk: the trained weights and the optimizer's state. Two are kept."""
    trained = _trained_weights(model, config)
    weight = 2 if precision.is_half(config) else 4
    state = 6 if precision.is_half(config) else 8  # both moments, and what Kahan summation keeps
    return trained * (weight + state)


def said_of_checkpoints(model: PreTrainedModel, config: FinetuneConfig, work: Path) -> str:
    """A note on their size before the first is written to `work`; none where two are below 10 MB."""
    size = checkpoint_bytes(model, config) / 1e9
    if 2 * size < 0.01:
        return ""
    when = "after each pass" if config.patience is not None else f"every {config.checkpoint_minutes:g} minutes"
    free = shutil.disk_usage(work).free / 1e9
    return f"checkpoints, {when} and at the end: {size:.2f} GB each, two are kept; {free:.1f} GB of disk are free"


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
    """The number of LoRA's weights: two thin matrices beside each linear layer but the output's."""
    head = model.get_output_embeddings()
    return [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear) and layer is not head]


def checkpointing(model: PreTrainedModel, widest: int, config: FinetuneConfig, objective: Objective | None) -> Way:
    """What --checkpointing auto becomes, and why."""
    on = needs_checkpointing(model, widest, config, objective)
    needed = _all_bytes(model, widest, config, objective) - model.get_memory_footprint()
    free = memory.free_bytes() / 1e9
    reason = f"with all activations kept a step needs about {needed / 1e9:.1f} GB more, and {free:.1f} GB are free"
    return Way("checkpointing", "on" if on else "off", reason)


def needs_checkpointing(
    model: PreTrainedModel, widest: int, config: FinetuneConfig, objective: Objective | None
) -> bool:
    """Whether activations are computed twice instead of kept. `widest` is the most tokens in memory at once."""
    if config.checkpointing != "auto":
        return config.checkpointing == "on"
    return memory.is_short(_all_bytes(model, widest, config, objective), int(model.get_memory_footprint()))


def _all_bytes(model: PreTrainedModel, widest: int, config: FinetuneConfig, objective: Objective | None) -> int:
    return _needed_bytes(model, widest, config) + (objective.needed_bytes(widest) if objective else 0)
