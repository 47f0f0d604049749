"""Mistral AI. Magistral's trace is a part of the content. https://docs.mistral.ai/capabilities/reasoning"""

from dataclasses import dataclass
from typing import ClassVar

from cotdistill.providers.chat_completions import ChatTeacher


@dataclass
class Teacher(ChatTeacher):
    """Mistral AI; --effort high or none where a model takes it, and Magistral always thinks. Key: MISTRAL_API_KEY."""

    base_url: str = "https://api.mistral.ai/v1"

    provider: ClassVar[str] = "mistral"
    key: ClassVar[str] = "MISTRAL_API_KEY"
