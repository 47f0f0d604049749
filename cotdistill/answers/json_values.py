"""Answers that are a JSON object or list: equal by value, whatever their layout and the order of their keys."""

import json
import re

_FENCE = re.compile(r"```(?:json)?[ \t]{0,4}\n(.{0,16384}?)\n[ \t]{0,4}```", re.DOTALL | re.IGNORECASE)


def json_of(text: str) -> str | None:
    """One spelling of the object or list that a whole text is, or that its last fence holds; None for any other."""
    text = text.strip()
    if text[:1] not in ("{", "["):
        fences = _FENCE.findall(text[-32_768:])
        text = fences[-1].strip() if fences else ""
    if text[:1] + text[-1:] not in ("{}", "[]"):
        return None
    try:
        return json.dumps(json.loads(text, parse_float=_number), sort_keys=True)
    except (ValueError, RecursionError, OverflowError):
        return None


def _number(digits: str) -> int | float:
    value = float(digits)
    return int(value) if value.is_integer() else value
