"""Converts the values of options to their types.

typer has pydantic read every value, and loading pydantic takes longer than all the rest of the command line. So plain
types are read here; any other type, and every error message, is left to typer.
"""

import os
import re
import typing
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)

_NOT_PLAIN = object()


def with_plain_values(parameters: list[Any]) -> list[Any]:
    """The same parameters, with our readers in place of pydantic's."""
    for one in parameters:
        typers_reader = getattr(one, "get_runtime_param", None)
        if typers_reader is not None and "get_runtime_param" not in vars(one):
            one.get_runtime_param = partial(_Reader, typers_reader)
    return parameters


class _Reader(NamedTuple):
    """The interface that typer expects of a parameter's reader."""

    typers: Callable[[], Any]

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if value is None:
            return () if param.nargs == -1 or getattr(param, "multiple", False) else None
        wanted = param.type_descriptor
        plain = _NOT_PLAIN if wanted.parameter_info.parser else _plain(value, wanted.annotation)
        if not _is_within(plain, wanted.parameter_info):
            plain = _NOT_PLAIN
        return self.typers().coerce(value, param=param, ctx=ctx) if plain is _NOT_PLAIN else plain


def _is_within(value: Any, limits: Any) -> bool:
    """Whether a number is within the option's `min` and `max`."""
    if not isinstance(value, int | float):
        return True
    return (limits.min is None or value >= limits.min) and (limits.max is None or value <= limits.max)


def _plain(value: Any, wanted: Any) -> Any:
    if isinstance(value, list | tuple):
        kinds = typing.get_args(wanted)
        read = [_plain(one, kinds[0]) for one in value] if typing.get_origin(wanted) is list else [_NOT_PLAIN]
        return _NOT_PLAIN if _NOT_PLAIN in read else read
    if wanted is str and isinstance(value, str):
        return value
    if wanted is Path and isinstance(value, str | Path):
        return Path(value) if os.access(value, os.R_OK) or not os.path.lexists(value) else _NOT_PLAIN
    if wanted in (int, float) and isinstance(value, str) and (number := _NUMBER.fullmatch(value)):
        return _NOT_PLAIN if wanted is int and number[1] else wanted(value)
    if wanted is float and type(value) in (int, float):  # a default
        return float(value)
    if wanted is int and type(value) is int:
        return value
    return _NOT_PLAIN
