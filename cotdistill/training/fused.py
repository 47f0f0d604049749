"""Liger's fused layers (Hsu et al. 2024, https://arxiv.org/abs/2410.10989), where the package is installed, there is a
GPU and Liger knows the model."""

import importlib.util
import logging
import os

import torch
from transformers import PreTrainedModel

from cotdistill.students.device import has_compiler


def is_usable() -> bool:
    """Without a GPU there is no Triton to compile the kernels. COTDISTILL_LIGER=0 switches them off."""
    wanted = os.environ.get("COTDISTILL_LIGER", "1") != "0"
    installed = importlib.util.find_spec("liger_kernel") is not None
    return wanted and torch.cuda.is_available() and installed and has_compiler()


def fuse_layers(model: PreTrainedModel) -> bool:
    """Replace norms, rotary embeddings and gated layers by fused ones, in place. Returns whether Liger knows the model.
    The loss stays ours: it scores trained positions alone, knows weights, and does not wait for the GPU."""
    if not is_usable():
        return False
    # It warns of each of its back ends for other chips that is not installed.
    logging.getLogger("liger_kernel").setLevel(logging.ERROR)
    from liger_kernel.transformers import monkey_patch

    apply = monkey_patch.MODEL_TYPE_TO_APPLY_LIGER_FN.get(model.config.get_text_config().model_type)
    if apply is None:
        return False
    apply(model=model, cross_entropy=False, fused_linear_cross_entropy=False)
    return True
