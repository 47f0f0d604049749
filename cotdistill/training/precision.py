"""The number format of weights and optimizer.

Weights in bfloat16 alone would not learn: a step of a small rate is rounded away. Kahan summation keeps what was
rounded, and adds it to the next step, in two more bytes a weight (optimi, https://optimi.benjaminwarner.dev/kahan_summation).
"""

from typing import Any

import torch
from transformers import PreTrainedModel

from cotdistill.config import FinetuneConfig
from cotdistill.students import tiny
from cotdistill.students.device import has_bfloat16, has_compiler
from cotdistill.training import distributed
from cotdistill.training.defaults import Way

BETA2 = 0.999
BETA2_IN_HALVES = 0.99
"""A moment in bfloat16 has 8 bits: at 0.999 a step's contribution would be rounded away."""


def is_half(config: FinetuneConfig) -> bool:
    """Whether the trained weights are kept in bfloat16."""
    if config.quant_aware or config.method == "qlora":
        return False
    if config.precision != "auto":
        return config.precision == "bfloat16"
    return torch.cuda.is_available() and has_bfloat16() and config.student != "tiny"


def way(config: FinetuneConfig) -> Way:
    """What --precision auto becomes, and why."""
    if is_half(config):
        return Way("precision", "bfloat16", "a GPU that has it; the same losses as 32 bits, in half the memory")
    if config.quant_aware:
        return Way("precision", "float32", "--quant-aware rounds weights of 32 bits")
    if config.student == "tiny":
        return Way("precision", "float32", "tiny has no weights to save memory on")
    if config.method == "qlora":
        return Way("precision", "float32", "the adapter's, beside a base of 4 bits")
    return Way("precision", "float32", f"a {'GPU without bfloat16' if torch.cuda.is_available() else 'CPU'}")


def prepare(model: PreTrainedModel, config: FinetuneConfig) -> None:
    """Put the weights into the format they are trained in. LoRA's base is frozen, so 16 bits suffice for it where the
    hardware has bfloat16; the 4-bit base of QLoRA stays as it is."""
    if config.method == "qlora":
        return
    half = is_half(config) or (config.adapts and has_bfloat16())
    model.to(torch.bfloat16 if half else torch.float32)


def autocasts(config: FinetuneConfig) -> bool:
    """Whether weights of 32 bits are multiplied in bfloat16: all of them on a GPU, and LoRA's anywhere, because PEFT
    would otherwise multiply its part in 32 bits beside a base in 16."""
    return not is_half(config) and has_bfloat16() and (torch.cuda.is_available() or config.adapts)


def autocasts_in_accelerate(config: FinetuneConfig) -> bool:
    """FSDP must know the format in which it sends the parts of a weight, so with FSDP accelerate switches autocast
    on."""
    return autocasts(config) and distributed.shards_weights()


def autocast(model: torch.nn.Module, config: FinetuneConfig) -> None:
    """Where it `autocasts`, have `model` multiply in bfloat16, as accelerate's `mixed_precision` would. That one also
    turns all that the model returns into 32 bits: of 49,152 scores a token 197 kB, and their gradient as many again,
    before the loss has chosen the trained ones, which it reads in 32 bits a part at a time."""
    if not autocasts(config) or autocasts_in_accelerate(config):
        return
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.forward = torch.autocast(device, torch.bfloat16)(model.forward)


def optimizer(config: FinetuneConfig) -> tuple[type[torch.optim.Optimizer], dict[str, Any]] | None:
    """The optimizer's class and options for transformers' trainer; None for its own AdamW in 32 bits."""
    if not is_half(config):
        return None
    from optimi import AdamW

    # Its own choice on a GPU is Triton. Without it: a loop over the weights, slower, and the same numbers.
    without_triton = {"triton": False} if torch.cuda.is_available() and not has_compiler() else {}
    return AdamW, {
        "lr": config.learning_rate,
        "betas": (0.9, BETA2_IN_HALVES),
        "eps": 1e-8,
        "weight_decay": config.weight_decay,
        "kahan_sum": True,
        **without_triton,
    }


def beta2(config: FinetuneConfig) -> float:
    return tiny.ADAM_BETA2 if config.student == "tiny" else BETA2


def bytes_a_trained_weight(config: FinetuneConfig) -> int:
    """Bytes of the gradient, of both moments, and of what Kahan summation keeps."""
    return 2 + 2 + 2 + 2 if is_half(config) else 4 + 4 + 4
