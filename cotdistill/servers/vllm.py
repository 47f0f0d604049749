"""vLLM. https://docs.vllm.ai/en/stable/serving/openai_compatible_server/"""

from dataclasses import dataclass
from typing import Any, ClassVar

from cotdistill import errors
from cotdistill.servers import Sampling, _installed, _sampling


@dataclass
class Server:
    """vLLM's server, for a GPU: `vllm` on PATH (pip install vllm, best into an environment of its own)."""

    at_once: ClassVar[int] = 256
    keeps_special: ClassVar[bool] = True

    def command(self) -> list[str]:
        if found := _installed.program("vllm"):
            return [found, "serve"]
        raise errors.missing(
            "engine vllm: no program `vllm` on PATH",
            "pip install vllm, best into an environment of its own whose bin directory stands in PATH",
        )

    def options(self, model: str, host: str, port: int) -> list[str]:
        # Without the last one, top_p and top_k out of the model's generation_config.json would decide answers too.
        return [model, "--host", host, "--port", str(port), "--generation-config", "vllm"]

    def body(self, sampling: Sampling) -> dict[str, Any]:
        return {**_sampling.body(sampling), "spaces_between_special_tokens": False}
