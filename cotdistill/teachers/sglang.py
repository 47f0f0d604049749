"""SGLang's server. https://docs.sglang.io/docs/advanced_features/separate_reasoning

Start it with --reasoning-parser; without one the trace is cut out of the text by its tags.
"""

from dataclasses import dataclass, field

from cotdistill.providers import chat_completions
from cotdistill.providers.chat_completions import Server, thinking_switch
from cotdistill.providers.http import Sender
from cotdistill.providers.types import MOST_IN_FLIGHT


@dataclass
class Teacher:
    """An SGLang server; --effort high or none turns thinking on or off. Key, if it wants one: SGLANG_API_KEY."""

    model: str
    base_url: str = "http://localhost:30000/v1"
    concurrency: int = MOST_IN_FLIGHT
    timeout_s: float = 600.0
    provider: str = field(default="sglang", init=False)
    server: Server = field(default=Server("SGLANG_API_KEY", reasoning=thinking_switch), init=False, repr=False)
    _sender: Sender = field(init=False, repr=False)

    __aenter__ = chat_completions.enter
    __aexit__ = chat_completions.leave
    body = chat_completions.body
    ask = chat_completions.ask
    read = chat_completions.read
    classify = chat_completions.classify
