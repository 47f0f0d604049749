"""Together AI: open-weight models. https://docs.together.ai/docs/openai-api-compatibility"""

from dataclasses import dataclass
from typing import Any, ClassVar

from cotdistill.providers.chat_completions import ChatTeacher


@dataclass
class Teacher(ChatTeacher):
    """Together AI, whose open-weight models show their chain. Key: TOGETHER_API_KEY."""

    base_url: str = "https://api.together.xyz/v1"

    provider: ClassVar[str] = "together"
    key: ClassVar[str] = "TOGETHER_API_KEY"

    def ask_logprobs(self, alternatives: int) -> dict[str, Any]:
        """A number here. Its alternatives come by their strings alone, so of these nothing is kept."""
        return {"logprobs": alternatives}
