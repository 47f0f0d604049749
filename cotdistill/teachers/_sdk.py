"""What the OpenAI and Anthropic SDKs share: one generator made both, so errors and clients have one shape."""

import os
import re
from types import ModuleType
from typing import Any, Literal
from urllib.parse import urlsplit

from cotdistill.errors import AccountError
from cotdistill.teachers import BadReplyError, Failure
from cotdistill.teachers._limits import rate_limits, retry_after_s

_LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")
_KEY = re.compile(r"\b(?:sk-|key-|Bearer )[\w*.\-]{6,}")
_SPENT = ("insufficient_quota", "billing_hard_limit_reached", "spend_limit_reached", "credit balance is too low")
"""Codes and words of a 429 or 400 that no waiting mends: the account has no money or no quota left."""

MAX_BODY_IN_MESSAGE = 300


def http_client(sdk: ModuleType, *, concurrency: int, timeout_s: float) -> Any:
    """The SDK's client on its aiohttp transport, with a pool as large as the concurrency: in a smaller one,
    requests would wait unseen; httpx2's own costs twice the CPU at 256 connections."""
    import httpx2

    limits = httpx2.Limits(max_connections=concurrency + 8, max_keepalive_connections=concurrency + 8)
    return sdk.DefaultAioHttpClient(limits=limits, timeout=httpx2.Timeout(timeout_s, connect=10.0))


def api_key(variable: str, provider: str, base_url: str) -> str:
    """The key from the environment. A server on this machine needs none.

    Raises AccountError when there is no key."""
    if key := os.environ.get(variable, "").strip():
        return key
    if urlsplit(base_url).hostname in _LOOPBACK:
        return "unused"
    raise AccountError(
        f"{variable} is not set; teacher {provider!r} reads it. Export it or put it into .env; a server "
        "of your own that needs none takes any value"
    )


def classify(sdk: ModuleType, error: Exception) -> Failure:
    """What an SDK error means. Re-raises what is no SDK error: that is a bug, not an answer."""
    if isinstance(error, BadReplyError):
        return Failure("retry", str(error))
    if isinstance(error, sdk.APIConnectionError):
        return _connection(error, timed_out=isinstance(error, sdk.APITimeoutError))
    if isinstance(error, sdk.APIStatusError):
        return _status(error)
    raise error


def _connection(error: Exception, *, timed_out: bool) -> Failure:
    import aiohttp

    cause: BaseException | None = error
    while cause is not None:  # the SDKs' transports wrap a refused connection differently, one as a time-out
        if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return Failure("unreachable", f"cannot connect: {clean(str(cause))}")
        cause = cause.__cause__
    if timed_out:
        return Failure("retry", "the server did not answer in time")
    return Failure("retry", f"connection lost: {clean(str(error.__cause__ or error))}")


def _status(error: Any) -> Failure:
    status, headers = error.status_code, error.response.headers
    message = f"{status}: {_server_words(error)}"
    if any(word in message or word in str(getattr(error, "code", "")) for word in _SPENT) or _spending_limit(error):
        return Failure("account", f"credit or quota is spent: {message}")
    if status in (401, 402, 403):
        return Failure("account", f"the provider refuses the key: {message}")
    if status == 404:
        return Failure("account", f"the server knows no such model or path: {message}. Check --teacher and --base-url")
    said = headers.get("x-should-retry")
    if said != "true" and (said == "false" or not (status in (408, 409, 429) or status >= 500 or status < 300)):
        return Failure("row", message)
    return Failure("retry", message, retry_after_s(headers), _push_back(status, message), rate_limits(headers.raw))


def _push_back(status: int, message: str) -> Literal["quota", "capacity"] | None:
    """An overload may come under any status: a stream that began well says 200."""
    if status in (503, 529) or "overloaded" in message or "resource_unavailable" in message:
        return "capacity"
    return "quota" if status == 429 else None


def _spending_limit(error: Any) -> bool:
    """Anthropic's spending limits are dressed as rate limits; only the class tells."""
    return type(error).__name__ in ("EnforcedSpendLimitReachedError", "ContractSpendLimitReachedError")


def _server_words(error: Any) -> str:
    body = error.body
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict):
            body = " ".join(str(inner[name]) for name in ("code", "message") if inner.get(name))
    return clean(str(body or error))


def clean(text: str) -> str:
    """Server words for a terminal: one line, printable, short, without anything that looks like a key."""
    text = _KEY.sub("[key]", " ".join(text.split()))
    return "".join(letter for letter in text if letter.isprintable())[:MAX_BODY_IN_MESSAGE]
