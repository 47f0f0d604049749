"""Types of numbers within limits, and each type in words for users."""

import types
import typing
from typing import Annotated, Any

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1)]
"""A number of things, at least 1."""

Number = Annotated[int, msgspec.Meta(ge=0)]
"""A number of things, 0 included."""

Positive = Annotated[float, msgspec.Meta(gt=0)]
"""A number above 0."""

Amount = Annotated[float, msgspec.Meta(ge=0)]
"""A number, 0 or more."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""A number from 0 to 1."""

_SIMPLE = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def expected(hint: Any, value: Any = None) -> str:
    """A type in words: "a whole number, at least 1", "lora, qlora or full"; with a number as `value` only its
    limits."""
    parts = [part for part in typing.get_args(hint) if part is not types.NoneType]
    if typing.get_origin(hint) is typing.Literal:
        *most, last = parts
        return f"{', '.join(most)} or {last}" if most else str(last)
    if typing.get_origin(hint) is Annotated:
        base = parts[0]
        limits = next((one for one in parts[1:] if isinstance(one, msgspec.Meta)), msgspec.Meta())
        if limits.pattern is not None and "http" in limits.pattern:
            return "a URL that begins with http:// or https://"
        if limits.min_length is not None:
            return f"{expected(base)} that is not empty"
        within = _within(limits)
        number = isinstance(value, int if base is int else int | float) and not isinstance(value, bool)
        return within if number and within else ", ".join(filter(None, (expected(base), within)))
    if parts and typing.get_origin(hint) is not dict:
        return " or ".join(expected(part, value) for part in parts)
    return _SIMPLE.get(hint, getattr(hint, "__name__", str(hint)))


def _within(limits: msgspec.Meta) -> str:
    least, most = limits.ge, limits.le
    if least is not None and limits.lt is not None:
        return f"{least:g} up to, not including, {limits.lt:g}"
    if least is not None and most is not None:
        return f"{least:g} to {_number(most)}"
    both = (
        f"more than {limits.gt:g}" if limits.gt is not None else "",
        f"at least {least:g}" if least is not None else "",
        f"less than {limits.lt:g}" if limits.lt is not None else "",
        f"at most {_number(most)}" if most is not None else "",
    )
    return " and ".join(filter(None, both))


def _number(limit: float) -> str:
    """A whole number in all its digits."""
    return str(limit) if isinstance(limit, int) else f"{limit:g}"
