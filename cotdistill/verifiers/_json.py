"""JSON that a model wrote: found in its text, read within limits, compared as JSON is."""

import re
from typing import Any

import msgspec

MAX_TEXT = 1_000_000
MAX_DEPTH = 64
"""Validation calls itself for each level, and more than once where a schema has alternatives."""

_FENCE = re.compile(r"^[ \t]{0,3}```[ \t]*+(json[a-z0-9]{0,4})?+[ \t]*+\n(.*?)^[ \t]{0,3}```", re.S | re.M | re.I)
_SCALAR = re.compile(r"-?\d[\d.eE+-]{0,400}|true|false|null")


def find(text: str) -> str | None:
    """The whole text where it begins like JSON, else the last fenced block, a `json` one before others."""
    if text[:1] in ("{", "[", '"') or _SCALAR.fullmatch(text):
        return text
    blocks = list(_FENCE.finditer(text[-MAX_TEXT:]))
    block = next((block for block in reversed(blocks) if block[1]), blocks[-1] if blocks else None)
    return block[2].strip() if block else None


def parsed(text: str) -> Any:
    """Raises ValueError, in one sentence, for what is no JSON value or too large."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"the JSON is longer than {MAX_TEXT} characters")
    if _depth(text) > MAX_DEPTH:
        raise ValueError(f"the JSON is nested more than {MAX_DEPTH} deep")
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):  # msgspec's own errors, lone surrogates, and numbers of too many digits
        raise ValueError("it is not JSON") from None


def canonical(value: Any) -> bytes:
    """Equal JSON values, and only they, have equal bytes: no order of keys, 1 is 1.0, true is not 1."""
    return msgspec.json.encode(_normal(value), order="deterministic")


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _normal(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_normal(one) for one in value]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return {"": str(value)} if isinstance(value, int) and abs(value) >= 2**63 else value


def _depth(text: str) -> int:
    """Of brackets outside strings."""
    depth = deepest = 0
    for token in re.finditer(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', text, re.DOTALL):
        depth += (token[0] in "[{") - (token[0] in "]}")
        deepest = max(deepest, depth)
    return deepest
