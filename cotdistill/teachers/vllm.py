"""vLLM's server. https://docs.vllm.ai/en/stable/features/reasoning_outputs/

Start it with --reasoning-parser; without one the trace is cut out of the text by its tags.
"""

from dataclasses import dataclass, field

from cotdistill.teachers import MOST_IN_FLIGHT, _chat
from cotdistill.teachers._chat import Server, thinking_switch
from cotdistill.teachers._http import Sender


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

    __aenter__ = _chat.enter
    __aexit__ = _chat.leave
    body = _chat.body
    ask = _chat.ask
    read = _chat.read
    classify = _chat.classify
