"""What the OpenAI and Anthropic SDKs share: one generator made both, so their errors have one shape."""

import re
from types import ModuleType
from typing import Any, Literal

from cotdistill.providers import keys
from cotdistill.providers.http import ElsewhereError
from cotdistill.providers.rate_limits import rate_limits, retry_after_s
from cotdistill.providers.types import BadReplyError, Failure

_KEY = re.compile(r"\b(?:sk-|key-|Bearer )[\w*.\-]{6,}")
_SPENT = (
    "insufficient_quota",
    "exceeded your current quota",
    "billing_hard_limit",
    "billing_not_active",
    "spend_limit_reached",
    "spending limit",
    "monthly spend",
    "credit balance is too low",
    "insufficient balance",
    "insufficient credits",
    "specified api usage limits",
)
"""Words of an error of any status that no waiting mends: the account has no money or no quota left."""

_POLICY = (
    "content_filter",
    "content_policy",
    "content management policy",
    "invalid_prompt",
    "input was flagged",
    "prompt was flagged",
)
"""Words of a refusal that concerns this prompt alone, whatever the status: OpenAI, Azure, OpenRouter (a 403)."""

_NO_ROOM = ("overloaded", "resource_unavailable", "at capacity")

MAX_BODY_IN_MESSAGE = 300


def classify(sdk: ModuleType, error: Exception) -> Failure:
    """What an SDK error means. Re-raises what is no SDK error: that is a bug, not an answer."""
    if isinstance(error, BadReplyError):
        return _meaning(error.status or 500, str(error), {})
    if isinstance(error, sdk.APIConnectionError | ElsewhereError):
        return _connection(error, timed_out=isinstance(error, sdk.APITimeoutError))
    if isinstance(error, sdk.APIStatusError):
        headers = error.response.headers
        return _meaning(error.status_code, f"{error.status_code}: {_server_words(error)}", headers)
    raise error


def _connection(error: Exception, *, timed_out: bool) -> Failure:
    import aiohttp

    cause: BaseException | None = error
    while cause is not None:  # the SDKs' transports wrap a refused connection differently, one as a time-out
        if isinstance(cause, ElsewhereError):
            where = clean(str(cause))
            return Failure("account", f"the server redirects to {where}; if that is right, give it as --base-url")
        if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return Failure("unreachable", f"cannot connect: {clean(str(cause))}")
        cause = cause.__cause__
    if timed_out:
        return Failure("retry", "the server did not answer in time")
    return Failure("retry", f"connection lost: {clean(str(error.__cause__ or error))}")


def _meaning(status: int, message: str, headers: Any) -> Failure:
    """By status, but for what providers dress as another one: a stream that began well says 200 to an overload."""
    words, may_retry = message.lower(), headers.get("x-should-retry")
    if any(word in words for word in _SPENT):
        return Failure("account", f"credit or quota is spent: {message}")
    if any(word in words for word in _POLICY) and 400 <= status < 500:
        return Failure("row", f"the provider's content policy refuses this prompt: {message}")
    if status in (401, 402, 403):
        return Failure("account", f"the provider refuses the key: {message}")
    if status == 404:
        return Failure("account", f"the server knows no such model or path: {message}. Check --teacher and --base-url")
    if status == 429 and may_retry == "false":
        return Failure("account", f"a limit that the server says no waiting helps: {message}")
    if may_retry != "true" and (may_retry == "false" or not (status in (408, 409, 429) or status >= 500)):
        return Failure("row", message)
    limits = rate_limits(headers.raw) if headers else None
    return Failure("retry", message, retry_after_s(headers), _push_back(status, words), limits)


def _push_back(status: int, words: str) -> Literal["quota", "capacity"] | None:
    if status in (503, 529) or any(word in words for word in _NO_ROOM):
        return "capacity"
    return "quota" if status == 429 else None


def _server_words(error: Any) -> str:
    body = error.body
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict):
            more = [inner[name] for name in ("details", "metadata") if isinstance(inner.get(name), dict)]
            parts = [inner.get("code") or inner.get("type")]  # Anthropic has no code, but tells a spending limit …
            parts += [one.get(name) for one in more for name in ("error_code", "raw")]  # … here, OpenRouter the cause
            parts += [inner.get("message") or inner.get("detail")]
            body = " ".join(str(part) for part in parts if part)
    return clean(str(body or error))


def clean(text: str) -> str:
    """Server words for a terminal: one line, printable, short, without a key or anything that looks like one."""
    for key in keys.in_use:
        text = text.replace(key, "[key]")
    text = _KEY.sub("[key]", " ".join(text.split()))
    return "".join(letter for letter in text if letter.isprintable())[:MAX_BODY_IN_MESSAGE]
