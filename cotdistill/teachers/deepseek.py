"""DeepSeek's own API. https://api-docs.deepseek.com/guides/thinking_mode"""

from dataclasses import dataclass, field
from typing import Any

from cotdistill.teachers import MOST_IN_FLIGHT, _chat
from cotdistill.teachers._chat import Server
from cotdistill.teachers._http import Sender


def _reasoning(effort: str | None) -> dict[str, Any]:
    """Said even though it is the default: the chain is what this is paid for."""
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    return {"thinking": {"type": "enabled"}, **_chat.reasoning_effort(effort)}


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

    __aenter__ = _chat.enter
    __aexit__ = _chat.leave
    body = _chat.body
    ask = _chat.ask
    read = _chat.read
    classify = _chat.classify
