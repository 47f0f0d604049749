"""Fireworks AI: open-weight models, as accounts/fireworks/models/NAME. https://docs.fireworks.ai/guides/reasoning"""

from dataclasses import dataclass
from typing import ClassVar

from cotdistill.providers.chat_completions import ChatTeacher
from cotdistill.providers.types import Request

MOST = 5
"""Alternatives of a token that it gives."""


@dataclass
class Teacher(ChatTeacher):
    """Fireworks AI, whose open-weight models show their chain. Key: FIREWORKS_API_KEY."""

    base_url: str = "https://api.fireworks.ai/inference/v1"

    provider: ClassVar[str] = "fireworks"
    key: ClassVar[str] = "FIREWORKS_API_KEY"

    def why_no_logprobs(self, request: Request) -> str:
        return "" if (request.logprobs or 0) <= MOST else f"Fireworks gives up to {MOST} alternatives"
