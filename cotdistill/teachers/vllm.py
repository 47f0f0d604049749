"""vLLM's server. https://docs.vllm.ai/en/stable/features/reasoning_outputs/

Start it with --reasoning-parser; without one the trace is cut out of the text by its tags.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from cotdistill.providers.chat_completions import ChatTeacher, thinking_switch


@dataclass
class Teacher(ChatTeacher):
    """A vLLM server; --effort high or none turns thinking on or off. Key, if it wants one: VLLM_API_KEY."""

    base_url: str = "http://localhost:8000/v1"

    provider: ClassVar[str] = "vllm"
    key: ClassVar[str] = "VLLM_API_KEY"

    def reasoning(self, effort: str | None) -> dict[str, Any]:
        return thinking_switch(effort)
