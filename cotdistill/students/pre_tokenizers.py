"""How a byte-level tokenizer cuts text before its merges, by the name that a GGUF file has for it.

A name stands for the steps; the same table writes a file (`name_of`) and reads one (`by_name`). The names are those of
llama.cpp (llama-vocab.cpp), the patterns those of the models' own tokenizer.json.
"""

import json
from typing import Any

from tokenizers import Regex, pre_tokenizers

Steps = tuple[str, ...]

_DIGITS, _GPT2 = "every digit apart", "the pattern of GPT-2"
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = _QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")

KNOWN: dict[str, Steps] = {
    "gpt-2": (_GPT2,),
    "smollm": (_DIGITS, _GPT2),
    "qwen2": (_QWEN2,),
    "llama-bpe": (_LLAMA3,),
}
_SAME = {"deepseek-r1-qwen": "qwen2"}
"""Other names that llama.cpp has for the same steps."""


def name_of(tokenizer: Any) -> str | None:
    """The name of a tokenizer's steps; None for steps that no name here stands for. Without merges it is indifferent
    where a text is cut: every byte is a token."""
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    if whole["model"]["type"] == "BPE" and not whole["model"]["merges"] and _is_byte_level(whole):
        return "gpt-2"
    found = steps_of(whole["pre_tokenizer"])
    return next((name for name, steps in KNOWN.items() if steps == found), None)


def by_name(name: str | None) -> Any:
    """The steps as the `tokenizers` package has them; None for a name that is not known here."""
    steps = KNOWN.get(_SAME.get(name or "", name or ""))
    if steps is None:
        return None
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=_GPT2 in steps)
    cuts: list[Any] = [pre_tokenizers.Digits(individual_digits=True)] if _DIGITS in steps else []
    cuts += [pre_tokenizers.Split(Regex(step), "isolated") for step in steps if step not in (_DIGITS, _GPT2)]
    return pre_tokenizers.Sequence([*cuts, byte_level]) if cuts else byte_level


def _is_byte_level(whole: Any) -> bool:
    return (whole["decoder"] or {}).get("type") == "ByteLevel"


def steps_of(node: Any) -> Steps | None:
    """None for a step that the names here have no place for."""
    if node is None:
        return None
    if node["type"] == "Sequence":
        parts = [steps_of(one) for one in node["pretokenizers"]]
        return None if None in parts else tuple(step for part in parts for step in part or ())
    if node["type"] == "ByteLevel" and not node["add_prefix_space"]:
        return (_GPT2,) if node["use_regex"] else ()
    if node["type"] == "Digits" and node["individual_digits"]:
        return (_DIGITS,)
    if node["type"] == "Split" and node["behavior"] == "Isolated" and not node["invert"]:
        pattern = node["pattern"].get("Regex")
        return (pattern,) if pattern else None
    return None
