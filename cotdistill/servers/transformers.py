"""transformers' own server. https://huggingface.co/docs/transformers/main/serving"""

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from cotdistill import errors
from cotdistill.servers import Sampling, _installed

_PACKAGES = ("fastapi", "uvicorn")
"""What `transformers serve` needs and transformers does not install."""


@dataclass
class Server:
    """transformers serve: what other programs will meet where a student is served by transformers. One at a time."""

    at_once: ClassVar[int] = 2
    """It answers one after the other; the second request is there when the first is done."""
    keeps_special: ClassVar[bool] = False

    def command(self) -> list[str]:
        found, missing = _installed.program("transformers"), _installed.missing(*_PACKAGES)
        if found and not missing:
            return [found, "serve"]
        what = ", ".join(missing) if found else "a program `transformers` on PATH"
        raise errors.missing(f"engine transformers: needs {what}", "pip install 'cotdistill[serve]'")

    def options(self, model: str, host: str, port: int) -> list[str]:
        return [model, "--host", host, "--port", str(port)]

    def body(self, sampling: Sampling) -> dict[str, Any]:
        # Whole settings instead of single fields: the server takes the rest of those out of the model's
        # generation_config.json, where do_sample may be off, and knows no top_k.
        settings: dict[str, Any] = {
            "max_new_tokens": sampling.max_tokens,
            "do_sample": sampling.temperature is not None,
            "eos_token_id": list(sampling.end_tokens),
            "pad_token_id": sampling.padding,
        }
        if sampling.temperature is not None:
            settings |= {"temperature": sampling.temperature, "top_k": 0, "top_p": 1.0}
        kwargs = {"chat_template_kwargs": dict(sampling.template_kwargs)} if sampling.template_kwargs else {}
        return {"generation_config": json.dumps(settings), "seed": sampling.seed, **kwargs}
