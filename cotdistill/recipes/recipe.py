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
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import config, plugins, students, teachers
from cotdistill.artifacts.json_lines import open_input
from cotdistill.errors import AccountError, CotDistillError, UsageError
from cotdistill.inputs import templates
from cotdistill.providers.keys import api_key
from cotdistill.providers.sdk_teacher import SdkTeacher

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
    "resume": "a killed run goes on by itself",
    "write_weak": "it stands beside the scores",
}
_KEYS: dict[str, Any] = {"prompts": str, "runs": str, "keep": int, "max_cost_per_month": float}


@dataclass(frozen=True)
class Recipe:
    """`heldout` is what evaluate asks, None for what format holds out. `keep` None keeps every run."""

    path: Path
    prompts: Path
    runs: Path
    keep: int | None
    max_cost_per_month: float | None
    heldout: Path | None
    stages: dict[str, Any]


def read(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """The recipe with `changes` ("generate.samples=8") made to it.

    Raises UsageError that lists every problem with its place: unknown keys, wrong types, values out of range, plug-ins,
    prompt files and students that are not there, keys that are not set.
    """
    with open_input(path) as file:
        try:
            found = tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: not valid TOML: {error}") from None
    problems: list[str] = []
    for change in changes:
        _change(found, change, problems)
    tables = {name: value for name, value in found.items() if isinstance(value, dict)}
    plain = {name: value for name, value in found.items() if name not in tables}
    values = _values("", plain, _KEYS, problems)
    problems += [f"{name}: no such stage; {_known(name, STAGES)}" for name in tables if name not in STAGES]
    heldout = tables.get("evaluate", {}).pop("prompts", None)
    stages = {name: _config(name, tables[name], problems) for name in STAGES if name in tables}
    _check_order(stages, heldout, problems)
    recipe = Recipe(
        path=path,
        prompts=Path(values.get("prompts", "")),
        runs=Path(values.get("runs", "runs")),
        keep=values.get("keep"),
        max_cost_per_month=values.get("max_cost_per_month"),
        heldout=None if heldout is None else Path(heldout),
        stages=stages,
    )
    _check_surroundings(recipe, problems)
    if problems:
        raise UsageError("\n  ".join([f"{path}: {len(problems)} to mend before anything is sent:", *problems]))
    return recipe


def _change(found: dict[str, Any], change: str, problems: list[str]) -> None:
    name, equals, text = change.partition("=")
    *tables, key = name.strip().split(".")
    if not equals or not key or len(tables) > 1:
        problems.append(f"--set {change}: expected STAGE.OPTION=VALUE, such as generate.samples=8")
        return
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a text
    place = found.setdefault(tables[0], {}) if tables else found
    place[key.replace("-", "_")] = value


def _values(table: str, given: Mapping[str, Any], kinds: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """What can be used of a table; the rest goes into `problems`."""
    values = {}
    for key, value in given.items():
        place = f"{table}.{key}" if table else key
        if key not in kinds:
            problems.append(f"{place}: no such key; {_known(key, kinds)}")
            continue
        if typing.get_origin(kinds[key]) is tuple and isinstance(value, str):
            value = [value]
        try:
            values[key] = msgspec.convert(value, kinds[key])
        except msgspec.ValidationError as error:
            problems.append(f"{place}: {_first_small(str(error)).replace('`', '')}, found {value!r}")
    return values


def _config(stage: str, table: Mapping[str, Any], problems: list[str]) -> Any:
    kind = STAGES[stage]
    kinds = {name: hint for name, hint in typing.get_type_hints(kind).items() if name not in _NOT_HERE}
    for key in [key for key in table if key in _NOT_HERE]:
        problems.append(f"{stage}.{key}: not in a recipe; {_NOT_HERE[key]}")
    values = _values(stage, {key: value for key, value in table.items() if key not in _NOT_HERE}, kinds, problems)
    for field in fields(kind):
        required = field.default is config.REQUIRED and kinds.get(field.name) is str
        if required and field.name not in table and stage != "evaluate":  # which asks the student of this run
            problems.append(f"{stage}.{field.name}: missing; {field.metadata['help'].partition(':')[0].rstrip('.')}?")
    built = kind(**values)
    _collect(f"{stage}: ", lambda: config.check(built), problems)
    return built


def _check_order(stages: Mapping[str, Any], heldout: Any, problems: list[str]) -> None:
    if not stages:
        problems.append(f"no stage in it; expected tables among {', '.join(f'[{name}]' for name in STAGES)}")
    names = list(STAGES)[: len(stages)]
    missing = [name for name in names if name not in stages]
    if missing:
        problems.append(f"[{missing[0]}]: missing; a recipe has the first stages of the chain, without a gap")
    if "evaluate" in stages and "format" in stages and heldout is None and not stages["format"].holdout:
        problems.append("evaluate.prompts: missing; name a file of held-out prompts, or set format.holdout")


def _check_surroundings(recipe: Recipe, problems: list[str]) -> None:
    """What the recipe names must be there: files, plug-ins, students, keys."""
    if not str(recipe.prompts) or recipe.prompts == Path():
        problems.append("prompts: missing; name the file of prompts")
    elif not str(recipe.prompts).startswith("hf:") and not recipe.prompts.is_file():
        problems.append(f"prompts: no file {recipe.prompts}")
    if recipe.heldout and not recipe.heldout.is_file():
        problems.append(f"evaluate.prompts: no file {recipe.heldout}")
    for stage, options in recipe.stages.items():
        for name, check in _checks(options):
            _collect(f"{stage}.{name}: ", check, problems)


_SPECS = {"verify": "verifiers", "select": "selectors", "filter": "filters", "format": "formats"}
_FILES = ("few_shot", "eval_data", "against")


def _checks(options: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    for name, folder in _SPECS.items():
        for spec in _texts(getattr(options, name, None)):
            if spec != "none":
                yield name, partial(plugins.build, folder, spec)
    for name in _FILES:
        for file in _texts(getattr(options, name, None)):
            yield name, partial(_readable, file)
    for template in _texts(getattr(options, "template", None)):
        yield "template", partial(templates.load, template)
    if isinstance(options, config.FinetuneConfig) and options.student:
        yield "student", partial(students.resolve, options.student)
    if isinstance(options, config.GenerateConfig) and options.teacher:
        yield "teacher", partial(check_teacher, options.teacher, options.base_url)


def _texts(value: Any) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value,) if value else ()


def _readable(path: str) -> None:
    open_input(Path(path)).close()


def check_teacher(spec: str, base_url: str | None) -> None:
    """Raises UsageError for a teacher there is not, AccountError for one whose key is not set."""
    teacher = teachers.build(spec, base_url)
    if isinstance(teacher, SdkTeacher):
        api_key(teacher.key, teacher.provider, teacher.base_url)


def _collect(lead: str, check: Callable[[], object], problems: list[str]) -> None:
    try:
        check()
    except (CotDistillError, AccountError) as error:
        problems.append(f"{lead}{error}")


def _known(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"


def _first_small(text: str) -> str:
    return text[:1].lower() + text[1:]
