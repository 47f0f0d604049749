"""OpenRouter: many providers behind one API. https://openrouter.ai/docs/use-cases/reasoning-tokens"""

from dataclasses import dataclass, field
from typing import Any

from cotdistill.teachers import MOST_IN_FLIGHT, _chat
from cotdistill.teachers._chat import Server
from cotdistill.teachers._http import Sender


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

    __aenter__ = _chat.enter
    __aexit__ = _chat.leave
    body = _chat.body
    ask = _chat.ask
    read = _chat.read
    classify = _chat.classify
