"""A table of a recipe as options: every problem with its place, and a value for whatever can be used."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from cotdistill import config
from cotdistill.config.options import convert, types_of
from cotdistill.recipes.problems import Problems
from cotdistill.recipes.references import STAGES

_NOT_HERE = {
    "dry_run": "`cotdistill run --plan` shows what would run",
    "explain": "`cotdistill filter --explain` shows it",
    "resume": "a killed run continues by itself",
    "reextract": "`cotdistill generate --reextract` does it",
    "show": "`cotdistill format --show` does it",
    "write_weak": 'a later step may read these prompts, as `prompts = "NAME.weak"`',
}


def values(table: str, given: Mapping[str, Any], kinds: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """What can be used of a table; the rest goes into `problems`."""
    found = {}
    for key, value in given.items():
        place = f"{table}.{key}" if table else key
        if key not in kinds:
            problems.add(place, f"no such key; {known(key, kinds)}")
            continue
        try:
            found[key] = convert(value, kinds[key])
        except ValueError as error:
            problems.add(place, str(error))
    return found


def options(
    place: str,
    stage: str,
    table: Mapping[str, Any],
    stand_ins: Mapping[str, str],
    read: Callable[[str, str, Any], Any],
    problems: Problems,
) -> Any:
    """The config of one step out of its table. `stand_ins` are options that it need not give; `read(key, names, value)`
    returns a value with what earlier steps make named as such."""
    kind = STAGES[stage].options
    kinds = {name: hint for name, hint in types_of(kind).items() if name not in _NOT_HERE}
    for key in [key for key in table if key in _NOT_HERE]:
        problems.add(f"{place}.{key}", f"not in a recipe; {_NOT_HERE[key]}")
    names = {field.name: field.metadata["names"] for field in fields(kind)}
    here = {key: read(key, names.get(key, ""), value) for key, value in table.items() if key not in _NOT_HERE}
    given = values(place, here, kinds, problems)
    wanting = {field.name: stand_ins.get(field.name, "") for field in fields(kind) if field.default is MISSING}
    for name, stand_in in wanting.items():
        if name not in here and not stand_in:
            field = next(field for field in fields(kind) if field.name == name)
            problems.add(f"{place}.{name}", f"missing; {field.metadata['help'].partition(':')[0].rstrip('.')}?")
    for name, why in config.problems(kind, wanting | given):
        if name in given or name not in wanting:  # a stand-in for what is missing has been reported as that
            problems.add(f"{place}.{name}", why)
    return kind(**wanting | given)


def known(name: str, there: Iterable[str]) -> str:
    """What could be meant."""
    there = list(there)
    close = difflib.get_close_matches(name, there, n=1)
    return f"did you mean {close[0]}?" if close else f"there are: {', '.join(there)}"
