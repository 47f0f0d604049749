"""DeepSeek's own API. https://api-docs.deepseek.com/guides/thinking_mode"""

from dataclasses import dataclass
from typing import Any, ClassVar

from cotdistill.providers.chat_completions import ChatTeacher
from cotdistill.providers.types import Request


@dataclass
class Teacher(ChatTeacher):
    """DeepSeek, which shows the model's whole chain. Key: DEEPSEEK_API_KEY."""

    base_url: str = "https://api.deepseek.com"

    provider: ClassVar[str] = "deepseek"
    key: ClassVar[str] = "DEEPSEEK_API_KEY"

    def reasoning(self, effort: str | None) -> dict[str, Any]:
        """Said even though it is the default: the chain is what this is paid for."""
        if effort == "none":
            return {"thinking": {"type": "disabled"}}
        return {"thinking": {"type": "enabled"}, **super().reasoning(effort)}

    def why_no_logprobs(self, request: Request) -> str:
        return "" if request.effort == "none" else "gives none while it thinks, but with --effort none"
