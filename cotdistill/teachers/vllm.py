"""vLLM's server. https://docs.vllm.ai/en/stable/features/reasoning_outputs/

Start it with --reasoning-parser; without one the trace is cut out of the text by its tags.
"""

from dataclasses import dataclass, field
from typing import Any

from cotdistill.teachers import MOST_IN_FLIGHT, _chat
from cotdistill.teachers._chat import Server
from cotdistill.teachers._http import Sender


def _reasoning(effort: str | None) -> dict[str, Any]:
    """Only on request, for servers with a Mistral tokenizer refuse `chat_template_kwargs`. Qwen3 and its like think
    unless told not to with `enable_thinking`; DeepSeek V3.1 and Granite only when told to with `thinking`."""
    if effort is None:
        return {}
    thinks = effort != "none"
    return {
        **_chat.reasoning_effort(effort),
        "chat_template_kwargs": {"enable_thinking": thinks, "thinking": thinks},
    }


@dataclass
class Teacher:
    """A vLLM server; --effort high or none turns thinking on or off. Key, if it wants one: VLLM_API_KEY."""

    model: str
    base_url: str = "http://localhost:8000/v1"
    concurrency: int = MOST_IN_FLIGHT
    timeout_s: float = 600.0
    provider: str = field(default="vllm", init=False)
    server: Server = field(default=Server("VLLM_API_KEY", reasoning=_reasoning), init=False, repr=False)
    _sender: Sender = field(init=False, repr=False)

    __aenter__ = _chat.enter
    __aexit__ = _chat.leave
    body = _chat.body
    ask = _chat.ask
    read = _chat.read
    classify = _chat.classify
