"""A GGUF file -> a dense model that can be trained and saved, and a tokenizer that agrees with the original's."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader, TokenType
from tokenizers import AddedToken, Tokenizer, decoders, models, processors
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedTokenizerFast

from cotdistill.errors import CotDistillError
from cotdistill.students import pre_tokenizers

ROPE_FREQS = "rope_freqs.weight"
END_PLACES = ("eos", "eot", "eom")
"""Where a file has room for an end token; llama.cpp stops at each."""

LLAMA3_ROPE = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
"""Of every Llama 3.1 and later; a file holds the factors that come of it, not these."""


class Header:
    """What a file says before its weights."""

    def __init__(self, path: Path) -> None:
        """Raises ValueError for a file that is damaged."""
        try:
            self._reader = GGUFReader(path)
        except (IndexError, UnicodeDecodeError, OverflowError) as error:
            raise ValueError(f"it is no whole GGUF file: {error}") from None
        self.architecture = str(self.get("general.architecture"))
        self.tensors = {one.name: one for one in self._reader.tensors}

    def get(self, key: str, default: Any = None) -> Any:
        field = self._reader.fields.get(key)
        return default if field is None else field.contents()

    def size(self, key: str) -> Any:
        """A field that is named after the architecture."""
        return self.get(f"{self.architecture}.{key}")

    def token_id(self, name: str) -> int | None:
        found = self.get(f"tokenizer.ggml.{name}_token_id")
        return None if found is None else int(found)

    def ends(self) -> list[int]:
        """The ids of the end tokens."""
        found = (self.token_id(place) for place in END_PLACES)
        return sorted({one for one in found if one is not None})


def header_of(path: Path) -> Header:
    """Reading it takes seconds where the vocabulary is large, and a student's file is asked several times. Raises
    ValueError for a file that is damaged."""
    state = path.stat()
    return _header(path.resolve(), state.st_size, state.st_mtime_ns)


@lru_cache(2)
def _header(path: Path, size: int, changed_ns: int) -> Header:
    return Header(path)


def tokenizer(path: Path) -> Any:
    """Built from the file's own fields where they are byte-level BPE; transformers leaves out how some of them cut
    text before the merges, which gives other tokens. Another kind is left to transformers."""
    header = header_of(path)
    cuts = pre_tokenizers.by_name(header.get("tokenizer.ggml.pre"))
    if header.get("tokenizer.ggml.model") == "gpt2" and cuts is not None:
        loaded = _byte_level(header, cuts)
    else:
        loaded = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    if not loaded.chat_template:
        raise CotDistillError(f"model {path}: has no chat template; choose an instruction-tuned one")
    return loaded


def model(path: Path, dtype: str) -> Any:
    """Without `dequantize` the weights stay in blocks: neither trainable nor savable."""
    header = header_of(path)
    config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    for name, value in _left_out(header, config).items():
        setattr(config, name, value)
    loaded = AutoModelForCausalLM.from_pretrained(
        path.parent,
        gguf_file=path.name,
        config=config,
        dtype="float32" if dtype == "auto" else dtype,
        quantization_config=GgufConfig(gguf_file=path.name, dequantize=True),
    )
    # The weights are plain now, and the file's own name for its base model leads nowhere.
    for stale in ("quantization_config", "_model_name_or_path"):
        loaded.config.__dict__.pop(stale, None)
    if ends := header.ends():
        loaded.generation_config.eos_token_id = ends if len(ends) > 1 else ends[0]
    return loaded


def _byte_level(header: Header, cuts: Any) -> Any:
    tokens: list[str] = header.get("tokenizer.ggml.tokens")
    kinds = header.get("tokenizer.ggml.token_type") or [int(TokenType.NORMAL)] * len(tokens)
    added = {
        text: kind == TokenType.CONTROL
        for text, kind in zip(tokens, kinds, strict=True)
        if kind in (TokenType.CONTROL, TokenType.USER_DEFINED)
    }
    used = {text: n for n, (text, kind) in enumerate(zip(tokens, kinds, strict=True)) if kind != TokenType.UNUSED}
    merges = [tuple(one.split(" ", 1)) for one in header.get("tokenizer.ggml.merges") or []]
    # A merge that makes no token of the vocabulary is there because llama.cpp wants one at least.
    merges = [(left, right) for left, right in merges if left + right in used]
    core = Tokenizer(models.BPE(vocab=used, merges=merges))
    core.pre_tokenizer = cuts
    core.decoder = decoders.ByteLevel()
    for is_special in (True, False):
        marks = [AddedToken(text, special=is_special, normalized=False) for text in added if added[text] == is_special]
        core.add_special_tokens(marks) if is_special else core.add_tokens(marks)
    ids = {name: header.token_id(place) for name, place in _NAMED}
    named = {f"{name}_token": tokens[number] for name, number in ids.items() if number is not None}
    if header.get("tokenizer.ggml.add_bos_token") and (first := named.get("bos_token")):
        pair = (first, core.token_to_id(first))
        core.post_processor = processors.TemplateProcessing(
            single=f"{first} $A", pair=f"{first} $A {first}:1 $B:1", special_tokens=[pair]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        chat_template=header.get("tokenizer.chat_template"),
        model_max_length=int(header.size("context_length") or 10**30),
        clean_up_tokenization_spaces=False,
        **named,
    )


_NAMED = (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding"))


def _left_out(header: Header, config: Any) -> dict[str, Any]:
    """Settings that a file holds and transformers does not read: the width of a head, biases, scaled positions."""
    found: dict[str, Any] = {}
    if width := header.size("attention.key_length"):
        found["head_dim"] = int(width)
    if header.architecture in ("llama", "qwen3"):
        found["attention_bias"] = "blk.0.attn_q.bias" in header.tensors
    if header.architecture == "llama":
        found["mlp_bias"] = "blk.0.ffn_up.bias" in header.tensors
    if ROPE_FREQS in header.tensors:
        found["rope_parameters"] = _llama3(header, config)
    return found


def _llama3(header: Header, config: Any) -> dict[str, Any]:
    """The settings behind a file's factors. Raises ValueError where they are not those of a Llama 3."""
    factors = np.array(header.tensors[ROPE_FREQS].data, dtype=np.float32)
    rope = {**config.rope_parameters, **LLAMA3_ROPE, "rope_type": "llama3", "factor": float(factors.max())}
    if not np.allclose(rope_factors(rope, 2 * len(factors)), factors, rtol=1e-4):
        raise ValueError("its positions are scaled in a way that is not Llama 3's")
    return rope


def rope_factors(rope: dict[str, Any], head_dim: int) -> Any:
    """What llama3's scaling divides each frequency by: (head_dim / 2,), float32. Low frequencies by `factor`, high ones
    by 1, those between by a mix."""
    theta, low, high = rope["rope_theta"], rope["low_freq_factor"], rope["high_freq_factor"]
    freqs = 1.0 / (theta ** (torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim))
    turns = rope["original_max_position_embeddings"] * freqs / (2 * torch.pi)
    mix = ((turns - low) / (high - low)).clamp(0, 1)
    return (1 / ((1 - mix) / rope["factor"] + mix)).numpy()
