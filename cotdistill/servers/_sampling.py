"""The body that vLLM and SGLang take for one answer, which Chat Completions do not know."""

from typing import Any

from cotdistill.servers import Sampling


def body(sampling: Sampling) -> dict[str, Any]:
    """Special tokens stay in the text, for a student's own mark its trace."""
    kwargs = {"chat_template_kwargs": dict(sampling.template_kwargs)} if sampling.template_kwargs else {}
    return {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature or 0.0,
        "seed": sampling.seed,
        "stop_token_ids": list(sampling.end_tokens),
        "skip_special_tokens": False,
        **kwargs,
    }
