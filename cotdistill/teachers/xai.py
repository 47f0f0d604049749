"""xAI's Grok. Its reasoning is billed beside `completion_tokens`. https://docs.x.ai/docs/guides/reasoning"""

from dataclasses import dataclass, field
from typing import ClassVar

from cotdistill.providers.chat_completions import ChatTeacher


@dataclass
class Teacher(ChatTeacher):
    """xAI's Grok, which shows its chain with some models only. Key: XAI_API_KEY."""

    base_url: str = "https://api.x.ai/v1"
    cap: str = field(default="max_completion_tokens", init=False, repr=False)

    provider: ClassVar[str] = "xai"
    key: ClassVar[str] = "XAI_API_KEY"
