"""Groq. https://console.groq.com/docs/reasoning

Models that think leave their trace in the text, between tags, unless a format is asked for, which those that do not
think refuse; gpt-oss has a field for it. The number of requests in its headers is one a day.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from cotdistill.providers.chat_completions import ChatTeacher
from cotdistill.providers.types import Request


@dataclass
class Teacher(ChatTeacher):
    """Groq, whose open-weight models show their chain. Key: GROQ_API_KEY."""

    base_url: str = "https://api.groq.com/openai/v1"
    cap: str = field(default="max_completion_tokens", init=False, repr=False)

    provider: ClassVar[str] = "groq"
    key: ClassVar[str] = "GROQ_API_KEY"

    def why_no_logprobs(self, request: Request) -> str:
        return "Groq gives none for any model"
