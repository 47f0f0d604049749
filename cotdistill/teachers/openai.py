"""OpenAI Chat Completions and every server that speaks it; those with a file of their own need no --base-url.

Hosted OpenAI models return no reasoning on this API (see openai_responses.py); open-weight servers do.
"""

import re
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from cotdistill.providers.chat_completions import ChatTeacher
from cotdistill.providers.types import Request

_REASONS = re.compile(r"\b(o[134]|gpt-[5-9])\b")
"""Models that reason unless told not to, and give log-probabilities only then; the o series always reasons."""

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
        if self._hosted():
            self.cap = "max_completion_tokens"

    def _hosted(self) -> bool:
        host = urlsplit(self.base_url).hostname or ""
        return host == "api.openai.com" or host.endswith((".api.openai.com", ".azure.com"))

    def why_no_logprobs(self, request: Request) -> str:
        return without_effort_none(self.model, request) if self._hosted() else ""


def without_effort_none(model: str, request: Request) -> str:
    """Why a model hosted by OpenAI gives no log-probabilities; empty where it does."""
    if not _REASONS.search(model) or request.effort == "none":
        return ""
    return "a model that reasons gives none at OpenAI, but with --effort none (GPT-5.1 and later)"
