"""Read a provider's JSON without trusting its types: an answer whose text can be read was paid for, and is an answer.

Servers that call themselves compatible send counts as strings, texts as lists of parts, objects as null.
"""

import json
import math
import re
from typing import Any

import msgspec

from cotdistill.providers.error_body import Problem, page_title, problem_in
from cotdistill.providers.errors import clean
from cotdistill.providers.types import BadReplyError


def document(raw: bytes, what: str) -> dict[str, Any]:
    """The JSON object of a reply; `what` names what was expected. Raises BadReplyError."""
    try:
        found = msgspec.json.decode(raw)
    except (ValueError, msgspec.DecodeError, RecursionError):  # ValueError: bad UTF-8 inside a string
        found = _mended(raw, what)
    if isinstance(found, str) and found.lstrip().startswith("{"):  # a gateway encoded it once more
        return document(found.encode("utf-8", "replace"), what)
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        raise BadReplyError(f"the reply is no {what}: {excerpt(raw)}", _page(raw))
    return found


def in_utf8(raw: bytes, content_type: str) -> bytes:
    """A body in the encoding that its content type names, where that is not UTF-8: corporate proxies still send others.
    What is UTF-8 stays as it is, for frameworks name ISO-8859-1 by default whatever they send."""
    if not (named := _CHARSET.search(content_type)) or raw.isascii():
        return raw
    try:
        raw.decode()
        return raw
    except UnicodeDecodeError:
        pass
    try:
        return raw.decode(named[1], "replace").encode()
    except (LookupError, UnicodeError):
        return raw


def mended(raw: bytes) -> bytes:
    """`raw` as strict JSON: bytes that are no UTF-8 and half a surrogate pair, as a model leaves them that was cut
    inside a character, become a replacement mark; NaN becomes null; a byte order mark goes, and so does what stands
    behind the first value, such as the same once more. Raises ValueError for what is no JSON."""
    text = raw.decode(json.detect_encoding(raw).removesuffix("-sig"), "replace").lstrip("\ufeff \t\r\n")
    found, _ = _DECODER.raw_decode(text)
    return msgspec.json.encode(msgspec.json.decode(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")))


def _mended(raw: bytes, what: str) -> Any:
    try:
        return msgspec.json.decode(mended(raw))
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise BadReplyError(f"the reply is no {what} ({clean(str(error))}): {excerpt(raw)}", _page(raw)) from None


def _finite(text: str) -> float | None:
    return number if math.isfinite(number := float(text)) else None


_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)

_DECODER = json.JSONDecoder(strict=False, parse_constant=lambda name: None, parse_float=_finite)


def _page(raw: bytes) -> Problem | None:
    title = page_title(raw.decode("utf-8", "replace"))
    return None if title is None else Problem(status=200, web_page=title)


def excerpt(raw: bytes) -> str:
    return clean(raw.decode("utf-8", "replace"))[:200] or "it is empty"


def error_in(value: Any) -> BadReplyError | None:
    """The error that a body holds under status 200; None where it holds none."""
    if not value:
        return None
    problem = problem_in({"error": value})
    return BadReplyError(f"the reply is an error: {clean(' '.join([*problem.codes[:1], problem.message]))}", problem)


def problem_of(found: dict[str, Any]) -> Problem | None:
    """What a body without an answer says is wrong; None where it says nothing of the kind."""
    problem = problem_in(found)
    return problem if problem.codes or problem.status else None


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
        return text(value.get("text")) or text(value.get("value"))  # Assistants: {"text": {"value": …}}
    return "".join(text(part) for part in value) if isinstance(value, list) else ""


def word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def count(value: Any) -> int | None:
    """A number of tokens, also where it comes as 12.0 or "12"; None for what is none."""
    if type(value) is int:
        return value if value >= 0 else None
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return int(number) if math.isfinite(number) and number >= 0 else None
