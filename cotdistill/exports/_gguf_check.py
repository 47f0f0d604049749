"""A GGUF file held against the weights that it was written from, read back with another routine than wrote it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

from cotdistill.errors import CotDistillError
from cotdistill.exports._gguf_file import Content

_ALLOWED = {Type.F32: 0.0, Type.F16: 2**-11, Type.BF16: 2**-8, Type.Q8_0: 0.0045, Type.Q4_0: 0.126}
"""How far a number may be from what it was, as a share of the largest one in its block (of itself, without blocks):
half a step of the type, and the rounding of the block's own scale to f16. The step of q4_0 is 1/8, and one end of its
range lies a whole step inside."""

_TINY = 1e-5
"""Numbers so near to zero that f16 has fewer digits for them, or for the scale of their block."""

_OTHER = 0.5
"""Of types that llama.cpp alone writes: the error's root mean square, as a share of the tensor's. A tensor in a wrong
place has 1.4."""


@dataclass
class Compared:
    largest_error: float = 0.0
    """Of any number, absolute."""


def compare(path: Path, content: Content, compared: Compared, *, exact_types: bool) -> Iterator[int]:
    """Yields how many tensors are compared, after each. Raises CotDistillError for the first that is not what it should
    be: missing, of another shape or type, or too far off."""
    found = {one.name: one for one in gguf.GGUFReader(path).tensors}
    expected = {one.name for one in content.tensors}
    if found.keys() != expected:
        raise _differs(path, f"tensors {', '.join(sorted(found.keys() ^ expected)[:3])} are missing or too many")
    for number, tensor in enumerate(content.tensors, 1):
        stored = found[tensor.name]
        if exact_types and stored.tensor_type != tensor.type:
            raise _differs(path, f"{tensor.name} is {stored.tensor_type.name}, expected {tensor.type.name}")
        kept = gguf.quants.dequantize(stored.data, stored.tensor_type)
        source = content.values(tensor)
        if kept.shape != source.shape:
            raise _differs(path, f"{tensor.name} has the shape {kept.shape}, expected {source.shape}")
        error = np.abs(kept - source)
        if not _is_near(error, source, stored.tensor_type):
            raise _differs(path, f"{tensor.name} is off by up to {float(error.max()):g}")
        compared.largest_error = max(compared.largest_error, float(error.max(initial=0)))
        yield number


def _is_near(error: Any, source: Any, kind: Type) -> bool:
    allowed = _ALLOWED.get(kind)
    if allowed is None:
        return bool(np.sqrt(np.mean(error**2)) <= _OTHER * np.sqrt(np.mean(source**2)) + _TINY)
    block = gguf.GGML_QUANT_SIZES[kind][0]
    largest = np.abs(source).reshape(-1, block).max(axis=1, keepdims=True)
    return bool((error.reshape(-1, block) <= allowed * largest + (_TINY if allowed else 0)).all())


def _differs(path: Path, what: str) -> CotDistillError:
    return CotDistillError(f"{path.name}: read back, {what}; please report this")
