"""Which tensor of a GGUF file is kept in which type, and what a tensor's numbers are once a type has rounded them.

Types as llama.cpp's convert_hf_to_gguf.py chooses them; blocks as ggml-quants.c rounds them, and the gguf package.
"""

from collections.abc import Callable

import torch
from gguf import GGML_QUANT_SIZES, MODEL_ARCH
from gguf import GGMLQuantizationType as Type

ARCHITECTURES = {"llama": MODEL_ARCH.LLAMA, "qwen2": MODEL_ARCH.QWEN2, "qwen3": MODEL_ARCH.QWEN3}
"""That are written, by a config's model_type."""

TYPES = {"f32": Type.F32, "f16": Type.F16, "bf16": Type.BF16, "q8_0": Type.Q8_0, "q4_0": Type.Q4_0}

EMBEDDINGS = ("token_embd.weight", "output.weight")


def type_of(name: str, shape: tuple[int, ...], quantize: str) -> Type:
    """By a tensor's name in the file. Vectors are kept whole, and q4_0 keeps the embeddings in q8_0: they are what 4
    bits harm most. Rows that do not consist of whole blocks are kept in f16."""
    if len(shape) == 1 or name.endswith("_norm.weight"):
        return Type.F32
    kind = TYPES[quantize]
    if kind == Type.Q4_0 and name in EMBEDDINGS:
        kind = Type.Q8_0
    return Type.F16 if shape[-1] % GGML_QUANT_SIZES[kind][0] else kind


def rounded(weights: torch.Tensor, kind: Type) -> torch.Tensor:
    """The same numbers as a file gives them back: (…, width) float32, bit by bit what gguf.quants writes and reads."""
    if kind not in _ROUND:
        raise ValueError(f"not rounded here: {kind.name}")
    return _ROUND[kind](weights.to(torch.float32))


def _q4_0(weights: torch.Tensor) -> torch.Tensor:
    """Blocks of 32: a scale in 16 bits, from the number that is largest by size, and 16 steps of it from -8 to 7."""
    blocks = weights.reshape(-1, 32)
    largest = blocks.gather(1, blocks.abs().argmax(dim=1, keepdim=True))
    scale = largest / -8
    steps = (blocks * _inverse(scale) + 8.5).trunc().clamp(0, 15) - 8
    return (_half(scale) * steps).reshape(weights.shape)


def _q8_0(weights: torch.Tensor) -> torch.Tensor:
    """Blocks of 32: a scale in 16 bits, and 127 steps to either side of 0; halves are rounded away from it."""
    blocks = weights.reshape(-1, 32)
    scale = blocks.abs().amax(dim=1, keepdim=True) / 127
    steps = blocks * _inverse(scale)
    size = steps.abs()
    whole = size.floor()
    steps = steps.sign() * (whole + (2 * (size - whole)).floor())
    return (_half(scale) * steps).reshape(weights.shape)


def _inverse(scale: torch.Tensor) -> torch.Tensor:
    return torch.where(scale == 0, torch.zeros_like(scale), 1 / scale)


def _half(scale: torch.Tensor) -> torch.Tensor:
    return scale.to(torch.float16).to(torch.float32)


_ROUND: dict[Type, Callable[[torch.Tensor], torch.Tensor]] = {
    Type.F32: lambda weights: weights,
    Type.F16: _half,
    Type.Q8_0: _q8_0,
    Type.Q4_0: _q4_0,
}
