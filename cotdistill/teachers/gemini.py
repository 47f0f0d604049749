"""Google's Gemini through its OpenAI-compatible endpoint. https://ai.google.dev/gemini-api/docs/openai

It gives a summary of the chain, between <thought> tags in the text, and only when it is asked for thoughts; what it
bills for the chain stands beside `completion_tokens`.
"""

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from cotdistill.errors import UsageError
from cotdistill.providers.chat_completions import ChatTeacher
from cotdistill.providers.types import Request

_BUDGETS = {"none": 0, "minimal": 512, "low": 1_024, "medium": 8_192, "high": 24_576}
"""Thinking tokens of Gemini 2.5 by effort, which later models take as a level."""

_SILENT = re.compile(r"gemini-(1|2\.0)|gemma")


@dataclass
class Teacher(ChatTeacher):
    """Google's Gemini, with a summary of its reasoning. Key: GEMINI_API_KEY."""

    base_url: str = "https://generativelanguage.googleapis.com/v1beta/openai"

    provider: ClassVar[str] = "gemini"
    key: ClassVar[str] = "GEMINI_API_KEY"

    def reasoning(self, effort: str | None) -> dict[str, Any]:
        """Effort goes into the thinking config: beside one, the API refuses `reasoning_effort`."""
        if _SILENT.search(self.model):
            return {}
        if effort is not None and effort not in _BUDGETS:
            raise UsageError(f"--effort {effort}: {self.provider} takes {', '.join(_BUDGETS)}")
        config: dict[str, Any] = {"include_thoughts": effort != "none"}
        if effort is not None and ("gemini-2.5" in self.model or effort == "none"):
            config["thinking_budget"] = _BUDGETS[effort]
        elif effort is not None:
            config["thinking_level"] = effort
        return {"extra_body": {"google": {"thinking_config": config}}}

    def why_no_logprobs(self, request: Request) -> str:
        return "Gemini 3 gives none" if "gemini-3" in self.model else ""
