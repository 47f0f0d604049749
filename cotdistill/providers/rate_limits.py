"""What a server's headers say of its rate limits and of waiting.

Sources: Anthropic, Rate limits, "Response headers"; OpenAI, Rate limits, "Rate limits in headers".
"""

import re
import time
from collections.abc import Iterable
from typing import Any

from cotdistill.providers.types import Quota, RateLimits

_AXES = {
    "requests": "requests",
    "tokens": "tokens",
    "req-minute": "requests",
    "tokens-minute": "tokens",
    "input-tokens": "input_tokens",
    "output-tokens": "output_tokens",
}
_OPENAI = re.compile(rb"x-ratelimit-(limit|remaining|reset)-(requests|tokens|req-minute|tokens-minute)", re.IGNORECASE)
"""The last two are Mistral's."""
_ANTHROPIC = re.compile(
    rb"anthropic-ratelimit-(requests|tokens|input-tokens|output-tokens)-(limit|remaining|reset)", re.IGNORECASE
)
LONGEST_MINUTE_S = 600.0
"""A bucket that is full again in longer than that does not count by the minute: Groq's requests, and OpenAI's in its
lowest tier, are a day's. What is left of them is no pace, and the server says when they are used up."""

_DURATION = re.compile(r"([\d.]+)(ms|s|m|h)")
_POLICY_RESET = re.compile(r";\s*t=(\d{1,9})\b")
"""https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/"""
_LEAST_UNIX_TIME_S = 1e9
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def rate_limits(headers: Iterable[tuple[bytes, bytes]]) -> RateLimits | None:
    """From raw headers, in one pass over them: this runs once an answer. None where they say nothing usable."""
    found: dict[str, dict[str, str]] = {}
    for name, value in headers:
        if b"ratelimit" not in name and b"RateLimit" not in name:
            continue
        if match := _OPENAI.fullmatch(name):
            kind, axis = match[1].decode().lower(), match[2].decode().lower()
        elif match := _ANTHROPIC.fullmatch(name):
            axis, kind = match[1].decode().lower(), match[2].decode().lower()
        else:
            continue
        found.setdefault(_AXES[axis], {})[kind] = value.decode("latin-1")
    if any(axis in found for axis in ("input_tokens", "output_tokens")):
        found.pop("tokens", None)  # Anthropic repeats the most restrictive one under this name
    quotas = {axis: quota for axis, said in found.items() if (quota := _quota(said))}
    return RateLimits(**quotas) if quotas else None


def _quota(said: dict[str, str]) -> Quota | None:
    """None without a sensible limit: Azure sends -1 and 0."""
    limit, remaining = _whole(said.get("limit")), _whole(said.get("remaining"))
    if limit is None or limit <= 0:
        return None
    reset_s = _reset_s(said.get("reset", ""))
    if reset_s and remaining is not None and 0 <= remaining < limit:
        refilled_in_s = reset_s * limit / (limit - remaining)
        if refilled_in_s > LONGEST_MINUTE_S:
            return None
    return Quota(limit, None if remaining is None or remaining < 0 else remaining, reset_s)


def _whole(text: str | None) -> int | None:
    try:
        return int(float(text)) if text else None
    except (ValueError, OverflowError):
        return None


def _reset_s(text: str) -> float | None:
    """`6m0s`, `12ms` (OpenAI) or a time such as 2026-11-23T10:00:00Z (Anthropic)."""
    from datetime import datetime

    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(_whole_or_part(number) * _SECONDS[unit] for number, unit in parts)
    try:
        return max(0.0, datetime.fromisoformat(text).timestamp() - time.time())
    except ValueError:
        return None


def _whole_or_part(number: str) -> float:
    try:
        return float(number)
    except ValueError:
        return 0.0


def retry_after_s(headers: Any) -> float | None:
    """Seconds from `retry-after-ms` (Azure: `x-ms-retry-after-ms`), or from `retry-after`: in seconds, as an HTTP date,
    or, as some gateways write it, as a duration or an ISO date. None when absent or odd."""
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = _number(headers.get(name, ""))
        if milliseconds is not None:
            return _sane(milliseconds / 1000)
    value = headers.get("retry-after", "").strip()
    seconds = _number(value)
    if seconds is not None or not value:
        return None if seconds is None else _sane(seconds)
    from email.utils import parsedate_to_datetime  # rarely needed

    try:
        return _sane(parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return _reset_s(value)


def reset_s(headers: Any) -> float | None:
    """Seconds until `x-ratelimit-reset`: a Unix time in seconds or, at OpenRouter, in milliseconds; or, at Together and
    in the drafts of the IETF (`ratelimit-reset`, and `t` of `ratelimit`), seconds from now."""
    value = headers.get("x-ratelimit-reset", "") or headers.get("ratelimit-reset", "")
    if not value and (policy := _POLICY_RESET.search(headers.get("ratelimit", ""))):
        value = policy[1]
    if not re.fullmatch(r"\d{1,10}(\.\d+)?|\d{13}", value):
        return None
    number = float(value) / (1000 if len(value) == 13 else 1)
    return max(0.0, number - time.time()) if number >= _LEAST_UNIX_TIME_S else number


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _sane(seconds: float) -> float | None:
    return max(0.0, seconds) if seconds < float("inf") else None  # also not NaN
