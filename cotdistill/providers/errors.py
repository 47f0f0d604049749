"""Turns an error into a Failure: the one decision, for online requests, streams and batches.

`error_body` reads the error and `error_codes` holds the table. Whether a refusal of one prompt concerns the account is
weighed in `dispatch/refusals.py`.
"""

import importlib
import os
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal

from cotdistill.masking import masked_message
from cotdistill.providers.connections import UnreachableError
from cotdistill.providers.error_body import Problem, problem_in
from cotdistill.providers.error_codes import VAGUE_STATUSES, Meaning, meaning_of
from cotdistill.providers.http import ElsewhereError
from cotdistill.providers.http1 import LostError
from cotdistill.providers.rate_limits import rate_limits, reset_s, retry_after_s
from cotdistill.providers.status_error import WAF_HEADER, StatusError
from cotdistill.providers.types import BadReplyError, Failure

MOST_LETTERS = 300
"""The most letters of a server's words that are shown in a message."""

_WORDS: dict[Meaning, str] = {
    "spent": "credit or quota is spent: {}",
    "key": "the provider refuses the key: {}",
    "model": "the server knows no such model or path: {}. Check --teacher and --base-url",
    "proxy": "a proxy between wants a login: {}. Put it into HTTPS_PROXY: http://user:password@proxy:3128",
    "policy": "the provider's content policy refuses this prompt: {}",
}

_KINDS: dict[Meaning, Literal["account", "row", "retry"]] = {
    "spent": "account",
    "key": "account",
    "model": "account",
    "proxy": "account",
    "policy": "row",
    "prompt": "row",
}

_PACIFIC = timezone(timedelta(hours=-8))
"""Pacific standard time. Without daylight saving the midnight is an hour late in summer, never early."""


def imported(name: str) -> Any:
    """A module, if it is imported; else None, because none of its errors can have come up. It waits for another thread
    that is still importing it: `sys.modules` alone would return half of it then."""
    return importlib.import_module(name) if name in sys.modules else None


def classify(sdk: str, error: Exception) -> Failure:
    """The Failure of one of our errors, or of an error of the SDK of this name. Re-raises any other exception: that is
    a bug, not an answer."""
    if isinstance(error, BadReplyError):
        return _of_reply(error)
    if isinstance(error, StatusError):
        return failure_of(error.status_code, problem_in(error.content or error.body, error.headers), error.headers)
    if isinstance(error, LostError | UnreachableError | ElsewhereError):
        return _connection(error, timed_out=False)
    loaded = imported(sdk)
    if loaded is not None and isinstance(error, loaded.APIConnectionError):
        return _connection(error, timed_out=isinstance(error, loaded.APITimeoutError))
    if loaded is not None and isinstance(error, loaded.APIStatusError):
        headers = error.response.headers
        return failure_of(error.status_code, problem_in(_body(error), headers), headers)
    raise error


def failure_of(status: int | None, problem: Problem, headers: Any = None) -> Failure:
    """The Failure of an error. `status` is None where the error came without one: inside a stream, a batch, or a
    200."""
    headers = headers or {}
    status = status if status is not None else problem.status
    words = clean(" ".join([f"{status}:" if status else "", *problem.codes[:2], problem.message])).rstrip(":")
    if action := headers.get(WAF_HEADER):
        return _web_page(403, f"AWS WAF: {action}", headers)
    if problem.web_page is not None:
        return _web_page(status or 200, problem.web_page, headers)
    if status is not None and 300 <= status < 400:
        return Failure(
            "account", f"the server redirects ({words}) and does not say where. Check --base-url", address=True
        )
    meaning = meaning_of(status, problem.codes, problem.message) or _otherwise(status, headers)
    if meaning in _KINDS:
        vague = status in VAGUE_STATUSES and meaning_of(None, problem.codes, problem.message) != meaning
        return Failure(
            _KINDS[meaning],
            _in_words(meaning, words),
            vague=vague,
            address=meaning in ("model", "proxy"),
        )
    may_retry = headers.get("x-should-retry")
    if may_retry == "false":
        if meaning == "quota":
            return Failure("account", f"a limit that waiting does not lift, by the server's word: {words}")
        return Failure("row", words)
    return _passing(status, meaning, problem, words, headers)


def _in_words(meaning: Meaning, words: str) -> str:
    sentence = _WORDS.get(meaning, "{}")
    return sentence.format(words.rstrip(".") if "{}." in sentence else words)


def _passing(status: int | None, meaning: Meaning, problem: Problem, words: str, headers: Any) -> Failure:
    wait_s = retry_after_s(headers)
    if wait_s is None:
        wait_s = problem.wait_s if problem.wait_s is not None else reset_s(headers) if status == 429 else None
    if problem.daily and (wait_s is None or wait_s < 3600.0):  # Google says "retry in 40 s" of a day's limit, too
        wait_s, words = _until_midnight_s(problem.daily), f"the limit of a day is reached: {words}"
    limits = rate_limits(headers.raw) if hasattr(headers, "raw") else None
    return Failure("retry", words, wait_s, _push_back(meaning), limits)


def _otherwise(status: int | None, headers: Any) -> Meaning:
    """The Failure of a status that says nothing in particular, or of no status."""
    passes = status is None or status >= 500 or headers.get("x-should-retry") == "true"
    return "retry" if passes else "prompt"


def _push_back(meaning: Meaning) -> Literal["quota", "capacity"] | None:
    return "quota" if meaning == "quota" else "capacity" if meaning == "capacity" else None


def _web_page(status: int, title: str, headers: Any) -> Failure:
    """The Failure of a web page: it comes from a proxy, a firewall, a login page or a wrong address, not from the
    API."""
    named = f" titled {clean(title)!r}" if clean(title) else ""
    where = "a proxy or firewall stands between, or --base-url is wrong"
    words = f"{status}: a web page{named} came instead of an answer of the API: {where}"
    if status == 403:  # also of a firewall that stops this prompt alone
        return Failure("row", words.replace("403:", "403: access is denied:", 1), from_page=True)
    if status == 401:
        return Failure("account", f"{words}; it wants a key or a login of its own", from_page=True)
    if status == 407:
        return Failure("account", _in_words("proxy", f"407{named}"), from_page=True, address=True)
    if status == 404:
        return Failure("account", words, from_page=True, vague=True, address=True)
    if status == 200 or status >= 500 or status in (408, 425, 429):
        pushed = meaning_of(status, (), "") if status != 200 else None
        return Failure(
            "retry", words, retry_after_s(headers), _push_back(pushed or "retry"), from_page=True, address=True
        )
    return Failure("row", words, from_page=True, address=True)


def _of_reply(error: BadReplyError) -> Failure:
    if error.problem is None:
        return Failure("row" if error.final else "retry", str(error))
    failure = failure_of(None, error.problem)
    return failure


def _until_midnight_s(whose: str) -> float:
    now = datetime.now(UTC if whose == "utc" else _PACIFIC)
    return ((now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0) - now).total_seconds()


def _body(error: Any) -> Any:
    """The error's body: its bytes if there are any, because the SDKs hand out the inner object, the whole, or a
    text."""
    try:
        return error.response.content or error.body
    except Exception:  # a stream that was not read to its end
        return error.body


def _connection(error: Exception, *, timed_out: bool) -> Failure:
    cause: BaseException | None = error
    httpx2 = imported("httpx2")
    while cause is not None:  # the SDKs' transports wrap a refused connection differently, one as a time-out
        if httpx2 is not None and isinstance(cause, httpx2.TooManyRedirects):
            words = "the server redirects from one address to the next without end. Check --base-url"
            return Failure("account", words, address=True)
        if isinstance(cause, ElsewhereError):
            where = clean(str(cause))
            words = f"the server redirects to {where}; if that is right, give it as --base-url"
            return Failure("account", words, address=True)
        if words := _unreached(cause):
            return Failure("unreachable", clean(words))
        cause = cause.__cause__
    if timed_out:
        return Failure("retry", "the server did not answer in time", push_back="lost")
    return Failure("retry", f"connection lost: {clean(str(error.__cause__ or error))}", push_back="lost")


def _unreached(cause: BaseException) -> str:
    """Where no connection was made, and the system's own words; aiohttp's name an address twice, and a TLS default that
    nobody set. Empty for another error."""
    if isinstance(cause, UnreachableError):
        return str(cause)
    aiohttp = imported("aiohttp")  # of the SDKs' clients, if one is open
    if aiohttp is None or not isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return ""
    if not isinstance(cause, aiohttp.ClientConnectorError) or isinstance(cause, aiohttp.ClientSSLError):
        return f"cannot connect: {cause}"
    number = cause.errno or 0  # a failed look-up of a name has a negative one, with words of its own
    reason = os.strerror(number) if number > 0 else cause.strerror or cause.os_error
    return f"cannot connect to {cause.host}:{cause.port}: {reason}"


def clean(text: str) -> str:
    """A server's words for a terminal: one line, printable, short, and without a key or anything that looks like one.
    It is shortened last, because half a key would not be recognised."""
    printable = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    return masked_message(printable)[:MOST_LETTERS]
