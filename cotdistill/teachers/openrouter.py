"""OpenRouter: many providers behind one API. https://openrouter.ai/docs/use-cases/reasoning-tokens"""

from dataclasses import dataclass, field
from typing import Any

from cotdistill.providers import chat_completions
from cotdistill.providers.chat_completions import Server
from cotdistill.providers.http import Sender
from cotdistill.providers.types import MOST_IN_FLIGHT


def _reasoning(effort: str | None) -> dict[str, Any]:
    return {"reasoning": {"effort": effort} if effort else {"enabled": True}}


@dataclass
class Teacher:
    """OpenRouter, which passes on what a model shows of its reasoning. Key: OPENROUTER_API_KEY."""

    model: str
    base_url: str = "https://openrouter.ai/api/v1"
    concurrency: int = MOST_IN_FLIGHT
    timeout_s: float = 600.0
    provider: str = field(default="openrouter", init=False)
    server: Server = field(default=Server("OPENROUTER_API_KEY", reasoning=_reasoning), init=False, repr=False)
    _sender: Sender = field(init=False, repr=False)

    __aenter__ = chat_completions.enter
    __aexit__ = chat_completions.leave
    body = chat_completions.body
    ask = chat_completions.ask
    read = chat_completions.read
    classify = chat_completions.classify
