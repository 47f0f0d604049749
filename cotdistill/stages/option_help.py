"""An option's help line, with the plug-ins that there are today: for --help and for docstrings."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from cotdistill import plugins
from cotdistill.inputs import templates


def help_lines(kind: type[Any]) -> Iterator[tuple[str, str]]:
    """Each option of a config class with its help."""
    names = _Names()
    for field in dataclasses.fields(kind):
        yield field.name, field.metadata["help"].format_map(names)


class _Names(dict[str, str]):
    """What `{filters}` and its like in a help line stand for: the folder as it is now. It is read when a line names it,
    because a command's help lines are made each time that it runs."""

    def __missing__(self, key: str) -> str:
        self[key] = found = ", ".join(_listed(key))
        return found


def _listed(key: str) -> list[str]:
    if key == "templates":
        return templates.names()
    if key == "scorers":
        return [f"{name}:MODEL" for name in plugins.names("teachers", "scorer")]
    if key.endswith("_exports"):
        return [name.replace("_", "-") for name in plugins.names("exports", key.removesuffix("_exports"))]
    return plugins.names(key)
