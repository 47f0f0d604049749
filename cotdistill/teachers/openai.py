"""OpenAI Chat Completions and every server that speaks it; those with a file of their own need no --base-url.

Hosted OpenAI models return no reasoning on this API (see openai_responses.py); open-weight servers do.
"""

from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from cotdistill.providers.chat_completions import ChatTeacher

HOSTED = "https://api.openai.com/v1"


@dataclass
class Teacher(ChatTeacher):
    """OpenAI and any OpenAI-compatible server (--base-url http://host/v1). Key: OPENAI_API_KEY."""

    base_url: str = HOSTED

    provider: ClassVar[str] = "openai"
    key: ClassVar[str] = "OPENAI_API_KEY"

    def __post_init__(self) -> None:
        # Reasoning models of OpenAI, also at Azure, refuse `max_tokens`; many compatible servers ignore its
        # successor, and an ignored cap is an unbounded bill.
        host = urlsplit(self.base_url).hostname or ""
        if host == "api.openai.com" or host.endswith((".api.openai.com", ".azure.com")):
            self.cap = "max_completion_tokens"
