"""How much memory a run needs, and one line of advice when there is not enough."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cotdistill.errors import CotDistillError

_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "failed to allocate")

_KEPT_PER_LAYER = 34
"""Bytes that a layer keeps for the backward pass, for each token and each of its hidden numbers, at two bytes a
number; without attention's own scores, which no current kernel keeps. Korthikanti et al. 2022,
https://arxiv.org/abs/2205.05198, section 4.1."""

_ENOUGH = 0.8
"""The share of free memory that an estimate may fill: it is one."""


@contextmanager
def memory_explained(remedy: str) -> Iterator[None]:
    """Torch's several ways to say that memory ran out, as one line."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or any(words in str(error).lower() for words in _OUT_OF_MEMORY):
            raise CotDistillError(f"out of memory: give a smaller {remedy}, or take a smaller student") from None
        raise


def needed_bytes(model: Any, trainable: int, tokens: int) -> int:
    """Weights, the gradients and Adam's two moments of the `trainable` ones, and what a forward pass over `tokens`
    (padding included) keeps, every token scored."""
    config = model.config.get_text_config()
    number = next(model.parameters()).element_size()
    layers = _KEPT_PER_LAYER * config.num_hidden_layers * config.hidden_size * tokens * number // 2
    scores = 3 * 4 * config.vocab_size * tokens  # logits, their log-softmax and their gradient
    return int(model.get_memory_footprint() + 12 * trainable + layers + scores)


def free_bytes() -> int:
    """Of the GPU where there is one, else of this machine."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    import psutil  # type: ignore[import-untyped]  # accelerate brings it

    return int(psutil.virtual_memory().available)


def is_short(needed: int, loaded: int) -> bool:
    """Whether activations should be computed twice rather than kept. `loaded` bytes of the need are taken already."""
    return needed - loaded > _ENOUGH * free_bytes()
