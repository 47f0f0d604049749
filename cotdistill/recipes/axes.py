"""The axes of a grid, as they are typed, and every combination of their values."""

import itertools
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cotdistill.errors import UsageError

MOST_CELLS = 1_000
"""More combinations are taken for a slip."""
_LONGEST_NAME = 150
"""Letters of a directory's name: file systems take 255 bytes, and files stand beside it under longer names."""


@dataclass(frozen=True)
class Axis:
    """One key of the recipe, and the values that it takes."""

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Setting:
    """One combination. `name` is its directory's."""

    name: str
    values: dict[str, Any]

    def changes(self) -> list[str]:
        """As `recipe.read` takes them."""
        return [f"{key}={_toml(value)}" for key, value in self.values.items()]


def parse(specs: Sequence[str]) -> list[Axis]:
    """`finetune.seed=0,1,2` -> an axis; values with commas of their own stand in a list:
    `filter.filter=["length:min_answer=1,max_answer=9"]`. Raises UsageError."""
    axes = [_axis(spec) for spec in specs]
    keys = [axis.key for axis in axes]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise UsageError(f"--grid {twice}: is given twice; list all its values once")
    return axes


def combinations(axes: Sequence[Axis]) -> list[Setting]:
    """The last axis varies fastest. Raises UsageError where there are too many."""
    chosen = [dict(zip([axis.key for axis in axes], values, strict=True)) for values in _product(axes)]
    names = [_name(one) for one in chosen]
    if len(set(names)) < len(names):  # values that differ in signs alone
        names = [f"{number:03}_{name}" for number, name in enumerate(names, 1)]
    return [Setting(name, values) for name, values in zip(names, chosen, strict=True)]


def _product(axes: Sequence[Axis]) -> Iterator[tuple[Any, ...]]:
    count = 1
    for axis in axes:
        count *= len(axis.values)
    if count > MOST_CELLS:
        raise UsageError(f"--grid: {count:,} combinations; expected at most {MOST_CELLS:,}")
    return itertools.product(*(axis.values for axis in axes))


def _axis(spec: str) -> Axis:
    key, equals, text = spec.partition("=")
    key, text = key.strip(), text.strip()
    if not equals or not re.fullmatch(r"prompts|[\w-]+\.[\w-]+", key) or not text:
        raise UsageError(f"--grid {spec!r}: expected STAGE.OPTION=VALUE,VALUE, such as finetune.seed=0,1,2")
    values = _list(text) if text.startswith("[") else [_value(one.strip()) for one in text.split(",")]
    if twice := next((one for one in values if values.count(one) > 1), None):
        raise UsageError(f"--grid {key}: {twice!r} is given twice")
    if not values or "" in values:
        raise UsageError(f"--grid {spec!r}: a value is empty")
    return Axis(key, tuple(values))


def _list(text: str) -> list[Any]:
    try:
        return list(tomllib.loads(f"value = {text}")["value"])
    except (tomllib.TOMLDecodeError, TypeError, RecursionError) as error:
        raise UsageError(f"--grid {text}: not a list as TOML writes it: {error}") from None


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text  # a bare word is a text


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, int | float) else _quoted(value)


def _quoted(value: Any) -> str:
    import json

    return json.dumps(str(value))


def _name(values: dict[str, Any]) -> str:
    """`select-first_seed-0`; with the whole key where two end alike."""
    ends = [key.rpartition(".")[2] for key in values]
    words = [key if ends.count(end) > 1 else end for key, end in zip(values, ends, strict=True)]
    parts = [f"{word}-{_plain(value)}" for word, value in zip(words, values.values(), strict=True)]
    return file_name("_".join(parts))


def file_name(text: str) -> str:
    """What a directory may be called: plain letters, and no more of them than a file system takes."""
    return re.sub(r"[^\w.+-]+", "-", text, flags=re.ASCII)[:_LONGEST_NAME]


def _plain(value: Any) -> str:
    shown = "+".join(map(str, value)) if isinstance(value, list) else str(value)
    return file_name(shown).strip("-.")
