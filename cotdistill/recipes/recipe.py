"""Recipes: the options of a whole chain in one TOML file, checked as a whole before anything is sent.

    prompts = "prompts.jsonl"       # and: runs, keep, max_cost_per_month
    [generate]
    teacher = "vllm:Qwen/Qwen3-8B"
    [filter]
    [format]
    holdout = 0.1

A table is a stage, a key is an option of the command line with underscores. Paths are relative to the recipe.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from cotdistill import config
from cotdistill.artifacts.json_lines import open_input
from cotdistill.config.options import Amount, Count, Text, convert, types_of
from cotdistill.errors import AccountError, UsageError
from cotdistill.recipes import preflight
from cotdistill.recipes.lookups import OF_THIS_RUN
from cotdistill.recipes.preflight import Problems

STAGES: dict[str, type[Any]] = {
    "generate": config.GenerateConfig,
    "filter": config.FilterConfig,
    "format": config.FormatConfig,
    "finetune": config.FinetuneConfig,
    "evaluate": config.EvaluateConfig,
}
"""In the order in which they run; a recipe has the first so many."""

_NOT_HERE = {
    "dry_run": "`cotdistill run --plan` shows what would run",
    "explain": "`cotdistill filter --explain` shows it",
    "resume": "a killed run continues by itself",
    "reextract": "`cotdistill generate --reextract` does it",
    "show": "`cotdistill format --show` does it",
    "write_weak": "it stands beside the scores",
}
_KEYS: dict[str, Any] = {"prompts": Text, "runs": Text, "keep": Count, "max_cost_per_month": Amount}


@dataclass(frozen=True)
class Recipe:
    """`shown` is the path as the person wrote it, for messages. `heldout` is what evaluate asks, None for what format
    holds out. `keep` None keeps every run."""

    path: Path
    shown: str
    prompts: Path
    runs: Path
    keep: int | None
    max_cost_per_month: float | None
    heldout: Path | None
    stages: dict[str, Any]


def read(path: Path, changes: Sequence[str] = (), shown: str = "") -> Recipe:
    """The recipe with `changes` ("generate.samples=8") made to it.

    Raises UsageError that lists every problem with its place: unknown keys, values that do not fit, options that do
    not go together, plug-ins, files, students and packages that are not there. Raises AccountError when keys that
    are not set are all there is.
    """
    found = _parsed(path, shown or str(path))
    problems = Problems()
    for change in changes:
        _change(found, change, problems)
    tables = {name: value for name, value in found.items() if isinstance(value, dict)}
    plain = {name: value for name, value in found.items() if name not in tables}
    for name in [name for name in plain if name in STAGES]:
        problems.add(name, f"expected a table, [{name}], found {plain.pop(name)!r}")
    values = _values("", plain, _KEYS, problems)
    for name in tables:
        if name not in STAGES:
            problems.add(name, f"no such stage; {_known(name, STAGES)}")
    heldout = _values("evaluate", _only("prompts", tables.get("evaluate", {})), {"prompts": Text}, problems)
    stages = {name: _config(name, tables[name], problems) for name in STAGES if name in tables}
    recipe = Recipe(
        path=path,
        shown=shown or str(path),
        prompts=Path(values.get("prompts", "")),
        runs=Path(values.get("runs", "runs")),
        keep=values.get("keep"),
        max_cost_per_month=values.get("max_cost_per_month"),
        heldout=Path(heldout["prompts"]) if heldout else None,
        stages=stages,
    )
    _check_order(recipe, "prompts" in plain, problems)
    preflight.check(recipe, problems)
    if problems.found:
        error = AccountError if problems.only_accounts() else UsageError
        count = len(problems.found)
        lead = f"{recipe.shown}: {count} problem{'s' * (count > 1)}, nothing was sent:"
        raise error("\n  ".join([lead, *problems.found]))
    return recipe


def _parsed(path: Path, shown: str) -> dict[str, Any]:
    with open_input(path) as file:
        try:
            return tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{shown}: not valid TOML: {error}") from None


def _change(found: dict[str, Any], change: str, problems: Problems) -> None:
    name, equals, text = change.partition("=")
    *tables, key = name.strip().split(".")
    if not equals or not key or len(tables) > 1:
        problems.add(f"--set {change}", "expected STAGE.OPTION=VALUE, such as generate.samples=8")
        return
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a text
    place = found.setdefault(tables[0], {}) if tables else found
    if isinstance(place, dict):
        place[key.replace("-", "_")] = value
    else:
        problems.add(f"--set {change}", f"{tables[0]} is no table")


def _only(key: str, table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: table[key]} if key in table else {}


def _values(table: str, given: Mapping[str, Any], kinds: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """What can be used of a table; the rest goes into `problems`."""
    values = {}
    for key, value in given.items():
        place = f"{table}.{key}" if table else key
        if key not in kinds:
            problems.add(place, f"no such key; {_known(key, kinds)}")
            continue
        try:
            values[key] = convert(value, kinds[key])
        except ValueError as error:
            problems.add(place, str(error))
    return values


def _config(stage: str, table: Mapping[str, Any], problems: Problems) -> Any:
    kind = STAGES[stage]
    kinds = {name: hint for name, hint in types_of(kind).items() if name not in _NOT_HERE}
    for key in [key for key in table if key in _NOT_HERE]:
        problems.add(f"{stage}.{key}", f"not in a recipe; {_NOT_HERE[key]}")
    here = {key: value for key, value in table.items() if key not in _NOT_HERE and (stage, key) != _HELDOUT}
    values = _values(stage, here, kinds, problems)
    wanting = {field.name: "" for field in fields(kind) if field.default is MISSING}
    if stage == "evaluate":
        wanting["student"] = OF_THIS_RUN
    for name, stand_in in wanting.items():
        if name not in here and not stand_in:
            field = next(field for field in fields(kind) if field.name == name)
            problems.add(f"{stage}.{name}", f"missing; {field.metadata['help'].partition(':')[0].rstrip('.')}?")
    for name, why in config.problems(kind, wanting | values):
        if name in values:  # a stand-in for what is missing has been reported as that
            problems.add(f"{stage}.{name}", why)
    return kind(**wanting | values)


_HELDOUT = ("evaluate", "prompts")


def _check_order(recipe: Recipe, has_prompts: bool, problems: Problems) -> None:
    stages = recipe.stages
    if not has_prompts:
        problems.add("prompts", "missing; name the file of prompts")
    if not stages:
        problems.add("stages", f"none; expected tables among {', '.join(f'[{name}]' for name in STAGES)}")
    missing = [name for name in list(STAGES)[: len(stages)] if name not in stages]
    if missing:
        problems.add(f"[{missing[0]}]", "missing; a recipe has the first stages of the chain, without a gap")
    if "evaluate" in stages and "format" in stages and recipe.heldout is None and not stages["format"].holdout:
        problems.add("evaluate.prompts", "missing; name a file of held-out prompts, or set format.holdout")


def _known(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
