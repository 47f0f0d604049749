"""Tags of a prompt, from the columns that hold some."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from cotdistill.inputs.values import as_text, for_template, is_missing


def tags_of(column: str, value: Any) -> Iterator[tuple[str, str]]:
    """The tags of one column: its value is the tag's value, and each member of a list becomes a tag of its own. The
    column `tags` has no name of its own: `{"level": 3}` is level=3, `["algebra"]` is algebra=yes."""
    if isinstance(value, str) and not column:
        value = _in_text(value)
    if isinstance(value, Mapping):
        for name, one in value.items():
            if not is_missing(one):
                yield f"{column}.{name}" if column else str(name), for_template(one)
    elif isinstance(value, list):
        for one in value:
            if not is_missing(one):
                yield f"{column}.{for_template(one)}" if column else for_template(one), "yes"
    elif value is not None:
        yield column, as_text(value, column)


def _in_text(value: str) -> Any:
    """Tags as a CSV cell holds them: an object or a list in JSON, or words between commas."""
    try:
        found = msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        found = None
    if isinstance(found, dict | list):
        return found
    return [one.strip() for one in value.replace(";", ",").split(",")]
