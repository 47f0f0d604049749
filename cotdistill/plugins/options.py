"""The options of a plug-in: what their types may say, and a text of the command line as a value of one."""

import math
import typing
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from cotdistill.errors import UsageError
from cotdistill.limits import expected


@dataclass(frozen=True)
class _Reads:
    separator: str = ""


File = Annotated[str, _Reads()]
"""A file that is read: its hash is recorded."""

Files = Annotated[str, _Reads("|")]
"""Several files that are read, written a|b."""


def separator_of(hint: Any) -> str | None:
    """What stands between the files that an option of this type names; None where it names none."""
    for one in (hint, *typing.get_args(hint)):
        for extra in getattr(one, "__metadata__", ()):
            if isinstance(extra, _Reads):
                return extra.separator
    return None


def convert(text: str, hint: Any, where: str) -> Any:
    """Raises UsageError that names the option where `text` is no value of its type."""
    kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
    if typing.get_origin(hint) is typing.Literal:
        if text not in kinds:
            raise UsageError(f"{where}: expected {expected(hint)}, got {text!r}")
        return text
    kind = kinds[0] if kinds else hint
    if typing.get_origin(kind) is typing.Literal:  # it stands before `| None`
        return convert(text, kind, where)
    limited = hint
    if hasattr(kind, "__metadata__"):  # a limit that stands before `| None`
        kind, limited = typing.get_args(kind)[0], kind
    what = expected(limited) if separator_of(hint) is None else "the path of a file"
    if not text.strip():
        raise UsageError(f"{where}: expected {what}, got nothing; leave it out for the default")
    try:
        if kind is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        value = kind(text)
        if kind is float and not math.isfinite(value):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{where}: expected {expected(limited)}, got {text!r}") from None
    try:
        return msgspec.convert(value, limited) if kind in (int, float) else value
    except msgspec.ValidationError:
        raise UsageError(f"{where}: expected {expected(limited, value)}, got {text!r}") from None
