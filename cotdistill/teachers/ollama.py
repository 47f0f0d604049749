"""Ollama's server. https://docs.ollama.com/api/openai-compatibility

It cuts prompts to its own context length without a word: set OLLAMA_CONTEXT_LENGTH where it runs.
"""

from dataclasses import dataclass, field

from cotdistill.teachers import MOST_IN_FLIGHT, _chat
from cotdistill.teachers._chat import Server
from cotdistill.teachers._http import Sender


@dataclass
class Teacher:
    """An Ollama server. Key, if it wants one: OLLAMA_API_KEY."""

    model: str
    base_url: str = "http://localhost:11434/v1"
    concurrency: int = MOST_IN_FLIGHT
    timeout_s: float = 600.0
    provider: str = field(default="ollama", init=False)
    server: Server = field(default=Server("OLLAMA_API_KEY"), init=False, repr=False)
    _sender: Sender = field(init=False, repr=False)

    __aenter__ = _chat.enter
    __aexit__ = _chat.leave
    body = _chat.body
    ask = _chat.ask
    read = _chat.read
    classify = _chat.classify
