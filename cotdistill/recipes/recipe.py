"""Recipes: the options of a whole chain in one TOML file, checked as a whole before anything is sent.

    prompts = "prompts.jsonl"       # and: runs, keep, max_cost_per_month
    [generate]
    teacher = "vllm:Qwen/Qwen3-8B"
    [filter]
    [format]
    holdout = 0.1

A table is a stage, a key is an option of the command line with underscores. Paths are relative to the recipe. A chain
of another shape has `[[steps]]` (`recipes/steps.py`).
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cotdistill.artifacts.opening import open_input
from cotdistill.config.options import Amount, Count, Text
from cotdistill.errors import AccountError, UsageError
from cotdistill.recipes import first_run, holdout, preflight, steps, tables
from cotdistill.recipes.problems import Problems
from cotdistill.recipes.references import STAGES
from cotdistill.recipes.steps import Step
from cotdistill.wording import counted

_KEYS: dict[str, Any] = {"prompts": Text, "runs": Text, "keep": Count, "max_cost_per_month": Amount}


@dataclass(frozen=True)
class Recipe:
    """`shown` is the path as the user typed it, for messages. `keep` None keeps every run. `notes` are shown before a
    run."""

    path: Path
    shown: str
    prompts: Path
    runs: Path
    keep: int | None
    max_cost_per_month: float | None
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()

    @property
    def stages(self) -> dict[str, Any]:
        """The options of each step, by the step's name; a table's name is its stage's."""
        return {step.name: step.options for step in self.steps}

    def options_of(self, stage: str) -> list[Any]:
        """The options of each step of one stage."""
        return [step.options for step in self.steps if step.stage == stage]

    @property
    def paths(self) -> list[tuple[Step, Path]]:
        """The files that a step reads and no other step makes."""
        return [(step, path) for step in self.steps for path in step.inputs if isinstance(path, Path)]


def read(path: Path, changes: Sequence[str] = (), shown: str = "") -> Recipe:
    """Read a recipe with `changes` ("generate.samples=8") applied.

    Raises UsageError that lists every problem with its place: unknown keys, values that do not fit, options that do not
    go together, and missing steps, plug-ins, files, students and packages. Raises AccountError where keys that are not
    set are the only problem.
    """
    found = _parsed(path, shown or str(path))
    problems = Problems()
    for change in changes:
        _change(found, change, problems)
    given = {name: value for name, value in found.items() if isinstance(value, dict)}
    plain = {name: value for name, value in found.items() if name not in given and name != "steps"}
    for name in [name for name in plain if name in STAGES]:
        problems.add(name, f"expected a table, [{name}], found {plain.pop(name)!r}")
    for name in [name for name in plain if name not in _KEYS and _is_list_of_tables(plain[name])]:
        problems.add(name, "no such list of tables; the steps of a chain are [[steps]]")
        del plain[name]
    values = tables.values("", plain, _KEYS, problems)
    for name in given:
        if name not in STAGES:
            problems.add(name, f"no such stage{' or step' * ('steps' in found)}; {tables.known(name, STAGES)}")
    prompts = Path(values.get("prompts", ""))
    if "steps" in found:
        chain = steps.of_list(found["steps"], given, prompts, problems)
    else:
        if "prompts" not in plain:
            problems.add("prompts", "missing; name the file of prompts")
        chain = steps.of_tables(given, prompts, problems)
    recipe = Recipe(
        path=path,
        shown=shown or str(path),
        prompts=prompts,
        runs=Path(values.get("runs", "runs")),
        keep=values.get("keep"),
        max_cost_per_month=values.get("max_cost_per_month"),
        steps=chain,
    )
    early = first_run.unguarded(recipe)
    preflight.check(first_run.without(recipe, early, "guard_against"), problems)
    holdout.check(chain, problems)
    if problems.found:
        kind = AccountError if problems.only_accounts() else UsageError
        lead = f"{recipe.shown}: {counted(len(problems.found), 'problem')}, nothing was sent:"
        error = kind("\n  ".join([lead, *problems.found]))
        error.problems = tuple(problems.found)
        raise error
    notes = tuple(first_run.note(step) for step in early)
    return replace(first_run.without(recipe, early, "guard", "guard_against"), notes=notes)


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _parsed(path: Path, shown: str) -> dict[str, Any]:
    with open_input(path) as file:
        try:
            return tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{shown}: not valid TOML: {error}") from None
        except RecursionError:
            raise UsageError(f"{shown}: its lists or tables are nested too deeply to be read") from None


def _change(found: dict[str, Any], change: str, problems: Problems) -> None:
    name, equals, text = change.partition("=")
    *parts, key = name.strip().split(".")
    if not equals or not key or len(parts) > 1:
        problems.add(f"--set {change}", "expected STAGE.OPTION=VALUE, such as generate.samples=8")
        return
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        value = text  # a bare word is a text
    key = key.replace("-", "_")
    named = _steps_named(found.get("steps"), parts[0]) if parts else []
    for step in named:
        step[key] = value
    if named and parts[0] not in STAGES:
        return
    place = found.setdefault(parts[0], {}) if parts else found
    if isinstance(place, dict):
        place[key] = value
    else:
        problems.add(f"--set {change}", f"{parts[0]} is no table")


def _steps_named(found: Any, name: str) -> list[dict[str, Any]]:
    """The steps of this name in the file, those of a round included; a step without a name is called like its stage."""
    there: list[dict[str, Any]] = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    inner = [one for step in there for one in step.get("each", ()) if isinstance(one, dict)]
    return [one for one in (*there, *inner) if one.get("name", "round" if "each" in one else one.get("stage")) == name]
