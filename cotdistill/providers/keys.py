"""API keys: where they come from. They never come from an option."""

import os
from urllib.parse import urlsplit

from cotdistill.errors import AccountError
from cotdistill.masking import add_secret

_LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")


def api_key(variable: str, provider: str, base_url: str) -> str:
    """The key from the environment. A server on this machine needs none.

    Raises AccountError when there is no key."""
    if key := os.environ.get(variable, "").strip():
        add_secret(key)
        return key
    if urlsplit(base_url).hostname in _LOOPBACK:
        return "unused"
    raise AccountError(
        f"{variable} is not set; teacher {provider!r} reads it. Export it or put it into .env; a server "
        "of your own that needs none takes any value"
    )
