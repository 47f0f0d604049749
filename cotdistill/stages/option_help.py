"""An option's help line, with the plug-ins that there are today: for --help and for docstrings."""

import dataclasses
from collections.abc import Iterator
from functools import cache
from typing import Any

from cotdistill import plugins
from cotdistill.inputs import templates


def help_lines(kind: type[Any]) -> Iterator[tuple[str, str]]:
    """Each option of a config class with its help."""
    for field in dataclasses.fields(kind):
        yield field.name, field.metadata["help"].format_map(_names())


@cache
def _names() -> dict[str, str]:
    """What `{filters}` and its like in a help line stand for: the folder as it is now."""
    listed = {folder: ", ".join(plugins.names(folder)) for folder in plugins.FOLDERS}
    listed |= {f"{takes}_exports": _typed("exports", takes) for takes in ("student", "rows", "prompts")}
    listed["scorers"] = ", ".join(f"{name}:MODEL" for name in plugins.names("teachers", "scorer"))
    return {**listed, "templates": ", ".join(templates.names())}


def _typed(folder: str, method: str) -> str:
    return ", ".join(name.replace("_", "-") for name in plugins.names(folder, method))
