"""An option: its help, its default, and its type, which says in words which values it takes."""

import math
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, field, fields
from typing import Annotated, Any, Literal

import msgspec

from cotdistill.limits import Amount as Amount
from cotdistill.limits import Count as Count
from cotdistill.limits import Number as Number
from cotdistill.limits import Positive as Positive
from cotdistill.limits import Share as Share
from cotdistill.limits import expected

Samples = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
"""At most this many: a prompt's samples are held in memory together."""
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
"""Values that NumPy and torch both take."""
ShareBelowOne = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Url = Annotated[str, msgspec.Meta(pattern=r"^https?://[^/\s]\S*$")]

Engine = Literal["local", "transformers", "vllm", "sglang"]
"""What runs a local student: this process, or a server that is started for it (a file of `servers/` each)."""

REQUIRED: Any = MISSING
"""The default of an option that has none, so that a config cannot be made without it."""


def option(default: Any, help: str, metavar: str = "", *, panel: str = "", names: str = "", rare: bool = False) -> Any:
    """A field of a config, with its help. Its type says which values it takes.

    `panel` is its group in --help; `rare` options are shown by --help-all only. `names` is the kind of name that its
    text is, which is looked up before anything is sent: a plug-in folder (verifiers, filters, selectors, formats), a
    teacher, a student, a template, a store, or a file (examples, rows, prompts).
    """
    metadata = {"help": help, "metavar": metavar, "panel": panel, "names": names, "rare": rare}
    return field(default=default, metadata=metadata)


def like(stage: type[Any], name: str, **changes: Any) -> Any:
    """An option copied from another stage, with its help and default; `changes` replace parts of the help."""
    one = next(one for one in fields(stage) if one.name == name)
    return field(default=one.default, metadata={**one.metadata, **changes})


def required(kind: type[Any]) -> list[str]:
    """The options of a config class that have no default."""
    return [one.name for one in fields(kind) if one.default is MISSING]


def types_of(kind: type[Any]) -> dict[str, Any]:
    """Each option's type with its limits."""
    return typing.get_type_hints(kind, include_extras=True)


def convert(value: Any, hint: Any) -> Any:
    """Convert `value` to the type. Raises ValueError that says what was expected and what was found."""
    if typing.get_origin(hint) is tuple:
        (item, _), given = typing.get_args(hint), [value] if isinstance(value, str) else value
        if not isinstance(given, list | tuple):
            raise ValueError(f"expected a list, each {expected(item)}, got {value!r}")
        return tuple(convert(one, item) for one in given)
    try:
        found = msgspec.convert(value, hint)
    except msgspec.ValidationError:
        raise ValueError(f"expected {expected(hint, value)}, got {value!r}") from None
    if isinstance(found, str):
        try:
            found.encode()
        except UnicodeEncodeError:
            raise ValueError(f"expected a text that UTF-8 can write, got {found!a:.200}") from None
        if "\0" in found and Text in (hint, *typing.get_args(hint)):  # a name, of a path mostly, and none has one
            raise ValueError(f"expected a text without a zero byte, got {found!a:.200}")
    if isinstance(found, float) and not math.isfinite(found):
        raise ValueError(f"expected {expected(hint)}, got {value!r}")
    return found


def wrong_values(kind: type[Any], values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each option whose value its type does not take, with what was expected."""
    for name, hint in types_of(kind).items():
        if name in values:
            try:
                convert(values[name], hint)
            except ValueError as error:
                yield name, str(error)


def choices(hint: Any) -> tuple[str, ...]:
    """The words that an option takes, whether it may be repeated or left out; empty where any word will do."""
    if typing.get_origin(hint) is typing.Literal:
        return typing.get_args(hint)
    return next((found for part in typing.get_args(hint) if (found := choices(part))), ())
