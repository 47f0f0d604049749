"""Liger's fused layers and loss (Hsu et al. 2024, https://arxiv.org/abs/2410.10989), where the package is installed,
a GPU is there and the model is one that it knows."""

import importlib.util
import os

import torch
from transformers import PreTrainedModel


def is_usable() -> bool:
    """Without a GPU there is no Triton to compile the kernels. COTDISTILL_LIGER=0 leaves them alone."""
    wanted = os.environ.get("COTDISTILL_LIGER", "1") != "0"
    return wanted and torch.cuda.is_available() and importlib.util.find_spec("liger_kernel") is not None


def fuse_layers(model: PreTrainedModel) -> bool:
    """Replace norms, rotary embeddings and gated layers by fused ones, in place; whether the model is known. The loss
    stays ours: it scores trained positions alone, and knows weights."""
    if not is_usable():
        return False
    from liger_kernel.transformers import monkey_patch

    apply = monkey_patch.MODEL_TYPE_TO_APPLY_LIGER_FN.get(model.config.get_text_config().model_type)
    if apply is None:
        return False
    apply(model=model, cross_entropy=False, fused_linear_cross_entropy=False)
    return True


def has_cross_entropy(scores: torch.Tensor) -> bool:
    return scores.is_cuda and is_usable()


def cross_entropy(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(N, vocabulary) scores, (N,) targets -> (N,) losses. Writes the gradients over the scores, which saves a copy."""
    from liger_kernel.transformers.cross_entropy import LigerCrossEntropyLoss

    losses: torch.Tensor = LigerCrossEntropyLoss(reduction="none")(scores, targets)
    return losses.float()
