"""Fireworks AI: open-weight models, as accounts/fireworks/models/NAME. https://docs.fireworks.ai/guides/reasoning"""

from dataclasses import dataclass
from typing import ClassVar

from cotdistill.providers.chat_completions import ChatTeacher


@dataclass
class Teacher(ChatTeacher):
    """Fireworks AI, whose open-weight models show their chain. Key: FIREWORKS_API_KEY."""

    base_url: str = "https://api.fireworks.ai/inference/v1"

    provider: ClassVar[str] = "fireworks"
    key: ClassVar[str] = "FIREWORKS_API_KEY"
