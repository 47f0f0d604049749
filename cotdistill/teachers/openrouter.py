"""OpenRouter: many providers behind one API. https://openrouter.ai/docs/use-cases/reasoning-tokens"""

from dataclasses import dataclass
from typing import Any, ClassVar

from cotdistill.providers.chat_completions import ChatTeacher


@dataclass
class Teacher(ChatTeacher):
    """OpenRouter, which passes on what a model shows of its reasoning. Key: OPENROUTER_API_KEY."""

    base_url: str = "https://openrouter.ai/api/v1"

    provider: ClassVar[str] = "openrouter"
    key: ClassVar[str] = "OPENROUTER_API_KEY"

    def reasoning(self, effort: str | None) -> dict[str, Any]:
        return {"reasoning": {"effort": effort} if effort else {"enabled": True}}

    def wire(self, body: dict[str, Any]) -> dict[str, Any]:
        """Asks for the cost too: https://openrouter.ai/docs/use-cases/usage-accounting"""
        return {**super().wire(body), "usage": {"include": True}}

    def ask_logprobs(self, alternatives: int) -> dict[str, Any]:
        """Of providers that have them alone: others are asked without, and say nothing of it."""
        return {**super().ask_logprobs(alternatives), "provider": {"require_parameters": True}}
