"""vLLM's server. https://docs.vllm.ai/en/stable/features/reasoning_outputs/

Start it with --reasoning-parser; without one the trace is cut out of the text by its tags.
"""

from dataclasses import dataclass, field

from cotdistill.providers import chat_completions
from cotdistill.providers.chat_completions import Server, thinking_switch
from cotdistill.providers.http import Sender
from cotdistill.providers.types import MOST_IN_FLIGHT


@dataclass
class Teacher:
    """A vLLM server; --effort high or none turns thinking on or off. Key, if it wants one: VLLM_API_KEY."""

    model: str
    base_url: str = "http://localhost:8000/v1"
    concurrency: int = MOST_IN_FLIGHT
    timeout_s: float = 600.0
    provider: str = field(default="vllm", init=False)
    server: Server = field(default=Server("VLLM_API_KEY", reasoning=thinking_switch), init=False, repr=False)
    _sender: Sender = field(init=False, repr=False)

    __aenter__ = chat_completions.enter
    __aexit__ = chat_completions.leave
    body = chat_completions.body
    ask = chat_completions.ask
    read = chat_completions.read
    classify = chat_completions.classify
