"""DeepSeek's own API. https://api-docs.deepseek.com/guides/thinking_mode"""

from dataclasses import dataclass, field
from typing import Any

from cotdistill.providers import chat_completions
from cotdistill.providers.chat_completions import Server
from cotdistill.providers.http import Sender
from cotdistill.providers.types import MOST_IN_FLIGHT


def _reasoning(effort: str | None) -> dict[str, Any]:
    """Said even though it is the default: the chain is what this is paid for."""
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    return {"thinking": {"type": "enabled"}, **chat_completions.reasoning_effort(effort)}


@dataclass
class Teacher:
    """DeepSeek, which shows the model's whole chain. Key: DEEPSEEK_API_KEY."""

    model: str
    base_url: str = "https://api.deepseek.com"
    concurrency: int = MOST_IN_FLIGHT
    timeout_s: float = 600.0
    provider: str = field(default="deepseek", init=False)
    server: Server = field(default=Server("DEEPSEEK_API_KEY", reasoning=_reasoning), init=False, repr=False)
    _sender: Sender = field(init=False, repr=False)

    __aenter__ = chat_completions.enter
    __aexit__ = chat_completions.leave
    body = chat_completions.body
    ask = chat_completions.ask
    read = chat_completions.read
    classify = chat_completions.classify
