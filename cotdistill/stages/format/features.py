"""The columns of rows as `datasets` declares them, so that it can read rows of which some lack a field.

Without a declaration `datasets` takes the fields in a file's first megabytes for those of the whole file.
"""

from collections.abc import Mapping
from typing import Any

_DTYPES = {str: "string", bool: "bool", int: "int64", float: "float64"}


class Features:
    """Learns the columns row by row. `declared()` stands under `features` in a data set's card."""

    def __init__(self) -> None:
        self.columns: dict[str, Any] = {}

    def see(self, row: Mapping[str, Any]) -> None:
        for name, value in row.items():
            self.columns[name] = _merged(self.columns.get(name), value)

    def declared(self) -> list[dict[str, Any]]:
        return [_named(name, kind) for name, kind in self.columns.items()]


def _merged(kind: Any, value: Any) -> Any:
    """The kind of a column: a dict of fields, a list with the kind of its items, or a dtype; None as long as no value
    was seen."""
    if isinstance(value, dict):
        fields = kind if isinstance(kind, dict) else {}
        for name, inner in value.items():
            fields[name] = _merged(fields.get(name), inner)
        return fields
    if isinstance(value, list):
        item = kind[0] if isinstance(kind, list) else None
        for inner in value:
            item = _merged(item, inner)
        return [item]
    return kind if value is None or kind is not None else _DTYPES[type(value)]


def _named(name: str, kind: Any) -> dict[str, Any]:
    if isinstance(kind, list):
        return {"name": name, "list": _item(kind[0])}
    if isinstance(kind, dict):
        return {"name": name, "struct": _item(kind)}
    return {"name": name, "dtype": kind or "null"}


def _item(kind: Any) -> Any:
    if isinstance(kind, dict):
        return [_named(name, inner) for name, inner in kind.items()]
    return {"list": _item(kind[0])} if isinstance(kind, list) else kind or "null"
