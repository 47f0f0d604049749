"""Read a provider's error: its codes, its words, how long it asks to wait. Every provider words it differently.

OpenAI `{"error": {message, type, code}}`; Anthropic the same with `details.error_code`; Google a list of one, with
`status` and `details` (google.rpc.ErrorInfo, QuotaFailure, RetryInfo); Bedrock `{"message"}` and its code in a header;
Azure `innererror.code`; OpenRouter `metadata`; Mistral `{"object": "error", …}` or `{"detail": […]}`; xAI
`{"code": words, "error": words}`; a proxy in between a web page.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

_WEB_PAGE = re.compile(r"[\s\ufeff]*<(!doctype\s+html|html|head|body|title|meta|center|h1)\b", re.IGNORECASE)
_TITLE = re.compile(r"<(title|h1)[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")
_CODES = ("code", "type", "status", "reason", "error_code", "error_type", "__type", "statusCode")
_WORDS = (
    "message",
    "Message",
    "detail",
    "error_description",
    "msg",
    "error_msg",
    "status_msg",
    "faultstring",
    "title",
    "error",
)
_INSIDE = ("error", "errors", "details", "metadata", "innererror", "inner_error", "base_resp", "fault", "extensions")
_AT_TIMES_INSIDE = ("detail", "message")
"""Fields that hold an object with some providers; with others they hold words, or a list of the faulty fields."""
_HEADERS = ("x-amzn-errortype", "x-ms-error-code")
_DAY_IS_OVER = re.compile(
    r"rate limit exceeded: free-models-per-day\b.*"  # OpenRouter
    r"|too many (tokens|requests) per day, please wait before trying again\."  # Bedrock
    r"|(tokens|requests) per day limit exceeded - too many (tokens|requests) (processed|sent)\."  # Cerebras
    r"|(AiError: )?you have used up your daily free allocation of [\d,]{1,12} neurons\b.*",  # Cloudflare
    re.IGNORECASE | re.DOTALL,
)
"""Whole sentences, as in `error_codes`; the days are UTC's."""
MOST_DEEP = 5


@dataclass(frozen=True)
class Problem:
    """What an error says of itself. `codes` are in lower case, the most specific first."""

    codes: tuple[str, ...] = ()
    message: str = ""
    status: int | None = None
    """The HTTP status that the body names."""
    wait_s: float | None = None
    daily: str | None = None
    """"pacific" or "utc" where a daily limit is reached: it ends at that time zone's midnight."""
    web_page: str | None = None
    """The title of a web page that came instead of an answer of the API."""


def problem_in(body: Any, headers: Any = None) -> Problem:
    """Read the problem from a body: bytes, text, or decoded JSON."""
    if isinstance(body, bytes | bytearray):
        body = bytes(body).decode("utf-8", "replace")
    if isinstance(body, str):
        title = page_title(body)
        if title is not None:
            return Problem(web_page=title, message=title)
        body = _decoded(body)
    objects = list(_objects(body))
    codes = [code for one in reversed(objects) for code in _codes(one)]
    codes += [value.partition(":")[0] for name in _HEADERS if (value := (headers or {}).get(name))]
    status = next((int(code) for code in codes if re.fullmatch(r"[1-5]\d\d", code)), None)
    words = dict.fromkeys(text for one in objects if (text := _words(one)))
    return Problem(
        codes=tuple(dict.fromkeys(code.rpartition("#")[2].lower() for code in codes if code != str(status))),
        message=" ".join(words) or (body if isinstance(body, str) else _encoded(body)),
        status=status,
        wait_s=_wait_s(objects),
        daily=_daily(objects, " ".join(words)),
    )


def page_title(text: str) -> str | None:
    """The title of a web page, "" where it has none; None for a text that is no web page."""
    if not _WEB_PAGE.match(text):
        return None
    title = _TITLE.search(text)
    return " ".join(title[2].split()) if title else ""


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text.encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return text


def _encoded(body: Any) -> str:
    return msgspec.json.encode(body).decode() if body else ""


def _objects(body: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The error's object and the objects inside it that say more, outermost first."""
    if isinstance(body, list):
        for one in body[:3]:
            yield from _objects(one, depth + 1)
    if not isinstance(body, dict) or depth > MOST_DEEP:
        return
    yield body
    for name in _INSIDE:
        yield from _objects(body.get(name), depth + 1)
    for name in _AT_TIMES_INSIDE:
        if isinstance(body.get(name), dict):
            yield from _objects(body[name], depth + 1)
    if isinstance(raw := body.get("raw"), str):  # OpenRouter: what the provider behind it said
        yield from _objects(_decoded(raw), depth + 1)
        yield {"message": raw} if not isinstance(_decoded(raw), dict | list) else {}


def _codes(one: dict[str, Any]) -> Iterator[str]:
    for name in _CODES:
        value = one.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and value not in ("", "error"):
            yield str(value)
    if isinstance(number := one.get("status_code"), int) and "status_msg" in one:
        yield f"minimax-{number}"  # whose numbers are others' too
    if isinstance(reasons := one.get("reasons"), list) and reasons:  # OpenRouter's moderation
        yield "moderation"


def _words(one: dict[str, Any]) -> str:
    for name in _WORDS:
        value = one.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, list) and name == "detail":  # FastAPI's validation errors
            return "; ".join(str(part.get("msg")) for part in value if isinstance(part, dict))
    return ""


def _wait_s(objects: list[dict[str, Any]]) -> float | None:
    """Seconds to wait: google.rpc.RetryInfo, or the reset that OpenRouter repeats in the body, in milliseconds of Unix
    time."""
    for one in objects:
        delay = one.get("retryDelay")
        if isinstance(delay, dict):  # as protobuf has it, where a gateway did not write JSON's form of it
            seconds, nanos = (str(delay.get(name) or 0) for name in ("seconds", "nanos"))
            return int(seconds) + int(nanos) / 1e9 if seconds.isdecimal() and nanos.isdecimal() else None
        if match := _DURATION.fullmatch(str(delay or "")):
            return float(match[1])
        resets = one.get("headers")
        if isinstance(resets, dict):
            for name, value in resets.items():
                if name.lower() == "x-ratelimit-reset" and str(value).isdecimal():
                    return max(0.0, int(value) / 1000 - time.time())
    return None


def _daily(objects: list[dict[str, Any]], message: str) -> str | None:
    for one in objects:
        violations = one.get("violations")
        if isinstance(violations, list) and any("PerDay" in str(each.get("quotaId")) for each in _dicts(violations)):
            return "pacific"  # Google's days
    return "utc" if _DAY_IS_OVER.fullmatch(message.strip()) else None


def _dicts(values: list[Any]) -> Iterator[dict[str, Any]]:
    return (one for one in values if isinstance(one, dict))
