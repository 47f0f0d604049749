"""Read a provider's JSON without trusting its types: an answer whose text can be read was paid for, and is an answer.

Servers that call themselves compatible send counts as strings, texts as lists of parts, objects as null.
"""

import json
import math
from typing import Any

import msgspec

from cotdistill.providers.errors import clean
from cotdistill.providers.types import BadReplyError

_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status an error of this type has when it comes with one."""


def document(raw: bytes, what: str) -> dict[str, Any]:
    """The JSON object of a reply; `what` names what was expected. Raises BadReplyError."""
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        found = _mended(raw, what)
    if not isinstance(found, dict):
        raise BadReplyError(f"the reply is no {what}: {excerpt(raw)}")
    return found


def _mended(raw: bytes, what: str) -> Any:
    """A model that was cut inside a character leaves half of it: bad UTF-8, or half a surrogate pair."""
    try:
        found = json.loads(raw.decode("utf-8", "replace"), strict=False)
        return msgspec.json.decode(json.dumps(found, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise BadReplyError(f"the reply is no {what}: {clean(str(error))}") from None


def excerpt(raw: bytes) -> str:
    return clean(raw[:200].decode("utf-8", "replace")) or "it is empty"


def error_in(value: Any) -> BadReplyError | None:
    """The error a body tells of under status 200, with the status it would have had; None where there is none."""
    if not value:
        return None
    problem = value if isinstance(value, dict) else {"message": str(value)}
    kinds = [str(problem[name]) for name in ("code", "type") if problem.get(name)]
    status = next((int(kind) for kind in kinds if kind.isdecimal() and len(kind) == 3), None)
    if status is None:
        status = next((_STATUS[kind] for kind in kinds if kind in _STATUS), None)
    words = clean(" ".join([*kinds[:1], str(problem.get("message") or "")]))
    return BadReplyError(f"the reply is an error: {words}", status)


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[dict[str, Any]]:
    """The objects of a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: Any) -> str:
    """A text, or the texts of its parts; parts of another kind are passed over."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return text(value.get("text"))
    return "".join(text(part) for part in value) if isinstance(value, list) else ""


def word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def count(value: Any) -> int | None:
    """A number of tokens, also where it comes as 12.0 or "12"; None for what is none."""
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return int(number) if math.isfinite(number) and number >= 0 else None
