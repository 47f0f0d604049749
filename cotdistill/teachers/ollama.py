"""Ollama's server. https://docs.ollama.com/api/openai-compatibility

It cuts prompts to its own context length without a word: set OLLAMA_CONTEXT_LENGTH where it runs.
"""

from dataclasses import dataclass, field

from cotdistill.providers import chat_completions
from cotdistill.providers.chat_completions import Server
from cotdistill.providers.http import Sender
from cotdistill.providers.types import MOST_IN_FLIGHT


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

    __aenter__ = chat_completions.enter
    __aexit__ = chat_completions.leave
    body = chat_completions.body
    ask = chat_completions.ask
    read = chat_completions.read
    classify = chat_completions.classify
