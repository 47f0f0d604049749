"""OpenAI Chat Completions and every server that speaks it; those with a file of their own need no --base-url.

Hosted OpenAI models return no reasoning on this API (see openai_responses.py); open-weight servers do.
"""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cotdistill.teachers import MOST_IN_FLIGHT, _chat
from cotdistill.teachers._chat import Server
from cotdistill.teachers._http import Sender

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

    __aenter__ = _chat.enter
    __aexit__ = _chat.leave
    body = _chat.body
    ask = _chat.ask
    read = _chat.read
    classify = _chat.classify
