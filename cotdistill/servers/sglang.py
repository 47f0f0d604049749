"""SGLang. https://docs.sglang.io/docs/basic_usage/openai_api_completions"""

import sys
from dataclasses import dataclass
from typing import Any, ClassVar

from cotdistill import errors
from cotdistill.servers import Sampling, _installed, _sampling


@dataclass
class Server:
    """SGLang's server, for a GPU: `sglang` on PATH, or the package sglang beside cotdistill."""

    at_once: ClassVar[int] = 256
    keeps_special: ClassVar[bool] = True

    def command(self) -> list[str]:
        if found := _installed.program("sglang"):
            return [found, "serve"]
        if not _installed.missing("sglang"):
            return [sys.executable, "-m", "sglang.launch_server"]  # versions that have no program of that name
        raise errors.missing(
            "engine sglang: neither a program `sglang` on PATH nor a package sglang",
            "pip install sglang, best into an environment of its own whose bin directory stands in PATH",
        )

    def options(self, model: str, host: str, port: int) -> list[str]:
        # With the last one, nothing out of the model's generation_config.json decides answers.
        return ["--model-path", model, "--host", host, "--port", str(port), "--sampling-defaults", "openai"]

    def body(self, sampling: Sampling) -> dict[str, Any]:
        return _sampling.body(sampling)
