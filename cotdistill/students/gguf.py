"""A GGUF file -> a dense model that can be trained and saved, and a tokenizer that agrees with the original's."""

import mmap
import struct
from pathlib import Path
from typing import Any

from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from cotdistill.errors import CotDistillError

_ONE_DIGIT_AT_A_TIME = frozenset({"smollm"})
"""`tokenizer.ggml.pre` of vocabularies that split off every digit first. transformers leaves that step out, which
moves the boundaries of the space before a number: "\\n\\n1." is in every numbered solution."""

_STRING_HEAD = struct.Struct("<IQ")
"""Before a string value in a GGUF header: its type and its length."""


def tokenizer(path: Path) -> Any:
    loaded = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    if not loaded.chat_template:
        raise CotDistillError(f"student {path}: has no chat template; choose an instruction-tuned one")
    if _pre_tokenizer(path) in _ONE_DIGIT_AT_A_TIME:
        loaded.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    return loaded


def model(path: Path, dtype: str) -> Any:
    """Without `dequantize` the weights stay in blocks: neither trainable nor savable."""
    loaded = AutoModelForCausalLM.from_pretrained(
        path.parent,
        gguf_file=path.name,
        dtype="float32" if dtype == "auto" else dtype,
        quantization_config=GgufConfig(gguf_file=path.name, dequantize=True),
    )
    # The weights are plain now, and the file's own name for its base model leads nowhere.
    for stale in ("quantization_config", "_model_name_or_path"):
        loaded.config.__dict__.pop(stale, None)
    return loaded


def _pre_tokenizer(path: Path) -> str | None:
    """The one string of the header that is needed: key, type, length, text. gguf's reader decodes every token of
    the vocabulary to get there, which takes longer than all else."""
    key = b"tokenizer.ggml.pre"
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if (at := data.find(key)) < 0:
            return None
        start = at + len(key) + _STRING_HEAD.size
        _, length = _STRING_HEAD.unpack_from(data, at + len(key))
        return data[start : start + length].decode("utf-8", "replace")
