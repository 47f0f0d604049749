"""OpenAI Chat Completions and every server that speaks it; those with a file of their own need no --base-url.

Hosted OpenAI models return no reasoning on this API (see openai_responses.py); open-weight servers do.
"""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cotdistill.providers import chat_completions
from cotdistill.providers.chat_completions import Server
from cotdistill.providers.http import Sender
from cotdistill.providers.types import MOST_IN_FLIGHT

HOSTED = "https://api.openai.com/v1"


@dataclass
class Teacher:
    """OpenAI and any OpenAI-compatible server (--base-url http://host/v1). Key: OPENAI_API_KEY."""

    model: str
    base_url: str = HOSTED
    concurrency: int = MOST_IN_FLIGHT
    timeout_s: float = 600.0
    provider: str = field(default="openai", init=False)
    server: Server = field(init=False, repr=False)
    _sender: Sender = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Reasoning models of OpenAI, also at Azure, refuse `max_tokens`; many compatible servers ignore its
        # successor, and an ignored cap is an unbounded bill.
        host = urlsplit(self.base_url).hostname or ""
        hosted = host == "api.openai.com" or host.endswith((".api.openai.com", ".azure.com"))
        self.server = Server("OPENAI_API_KEY", cap="max_completion_tokens" if hosted else "max_tokens")

    __aenter__ = chat_completions.enter
    __aexit__ = chat_completions.leave
    body = chat_completions.body
    ask = chat_completions.ask
    read = chat_completions.read
    classify = chat_completions.classify
