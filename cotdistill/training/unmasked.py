"""Padded rows that are read from left to right, without a mask.

transformers makes none for them either, but for an attention that it makes masks for it first looks whether the
positions are those of one row or of several, and in every step the CPU waits for the GPU's answer.
"""

from transformers import AttentionInterface, PreTrainedModel

NAME = "cotdistill_unmasked"
"""As `attn_implementation` of a model: torch's scaled dot-product attention, of which transformers knows no mask."""


def read_unmasked(model: PreTrainedModel) -> None:
    """Where all that a token sees is what stands before it, say so beforehand: no layer has a window or a mask of its
    own. For training alone: an answer to prompts of several lengths is read with a mask."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    windowed = getattr(config, "sliding_window", None) or getattr(config, "attention_chunk_size", None)
    if config._attn_implementation == "sdpa" and kinds == {"full_attention"} and not windowed:
        AttentionInterface.register(NAME, AttentionInterface()["sdpa"])
        model.set_attn_implementation(NAME)
