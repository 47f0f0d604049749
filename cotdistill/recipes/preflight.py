"""Checks, before anything is sent, that everything that options name is there: files, plug-ins, teachers, students,
packages, a GPU.

A recipe asks for all its stages at once, a command for its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cotdistill import config
from cotdistill.config.expand import OF_DOCUMENTS, name_of_method, split_methods
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.recipes import lookups, option_lookups, references
from cotdistill.recipes.problems import Problems
from cotdistill.stages.expand.asking import as_generate
from cotdistill.stages.verification import Judge

if TYPE_CHECKING:
    from cotdistill.recipes.recipe import Recipe
    from cotdistill.recipes.steps import Step


def check(recipe: Recipe, problems: Problems) -> None:
    """Look up everything that the recipe names."""
    for step, path in recipe.paths:
        if path != Path():
            key = references.STAGES[step.stage].key
            with problems.collected(key if path == recipe.prompts and key == "prompts" else f"{step.label}.{key}"):
                _look_at_input(step, path)
    _check_runs(recipe, problems)
    _check_month(recipe, problems)
    for step in recipe.steps:
        for name, look in option_lookups.lookups_of(step.options):
            with problems.collected(f"{step.label}.{name}"):
                look()
        _check_layout(step, recipe.steps, problems)
        _check_references(step, recipe, problems)


def _look_at_input(step: Step, path: Path) -> None:
    options = step.options
    if isinstance(options, config.GenerateConfig):
        lookups.prompts(path, options, lenient=options.skip_bad)
    elif isinstance(options, config.EvaluateConfig):
        lookups.prompts(path, options, scored=True)
    elif isinstance(options, config.ExpandConfig):
        if not path.is_dir() and not {*OF_DOCUMENTS} & {*map(name_of_method, split_methods(options.method))}:
            lookups.prompts(path, as_generate(options), lenient=options.skip_bad)
    else:
        lookups.rows(str(path))


def _check_runs(recipe: Recipe, problems: Problems) -> None:
    with problems.collected("runs"):
        lookups.writable(recipe.runs)
    latest = recipe.runs / "latest"
    if latest.exists() and not latest.is_symlink():
        problems.add("runs", f"{latest} is no link; move it away, each run makes it point to the last complete one")


def _check_month(recipe: Recipe, problems: Problems) -> None:
    if recipe.max_cost_per_month is None:
        return
    for step in recipe.steps:
        if getattr(step.options, "no_cache", False):
            problems.add(
                "max_cost_per_month",
                f"is counted from the store, and {step.label}.no_cache keeps none. Leave one of them out",
            )
    for step in recipe.steps:
        for name, look in option_lookups.priced(step.options):
            try:
                look()
            except UsageError as error:
                problems.add("max_cost_per_month", f"{step.label}.{name}: {error}")
            except (CotDistillError, ValueError):
                pass  # said of the teacher, or of the verifier, already


def _check_layout(step: Step, steps: Sequence[Step], problems: Problems) -> None:
    """A format step's layout must fit its training, and must be possible from what filter keeps."""
    by_name = {one.name: one for one in steps}
    if step.stage == "finetune":
        for rows in (by_name[one.step] for one in step.references() if one.what == "rows" and one.step in by_name):
            layout = rows.options.format.partition(":")[0]
            if rows.options.order != "input" and step.options.order == "shuffled":
                why = f'{rows.options.order}: {step.label} would shuffle the rows; set {step.label}.order = "file"'
                problems.add(f"{rows.label}.order", why)
            if step.options.on_pairs != (layout == "dpo"):
                problems.add(
                    f"{step.label}.loss",
                    f"dpo trains on preference pairs, and {rows.label} writes others: set "
                    f"{rows.label}.format or {step.label}.loss to dpo, or neither",
                )
            elif layout in _NOT_TRAINED_HERE:
                problems.add(
                    f"{rows.label}.format", f"{step.label} cannot read {layout} rows; {layout} is for other trainers"
                )
    if step.stage != "format" or step.options.format.partition(":")[0] != "dpo":
        return
    wanted = [one.step for one in step.references() if one.what == "kept responses"]
    for kept in (by_name[name] for name in wanted if name in by_name):
        if not kept.options.keep_incorrect:
            problems.add(
                f"{step.label}.format",
                f"dpo needs a right and a wrong answer of one prompt: set {kept.label}.keep_incorrect",
            )
        if kept.options.select:
            problems.add(f"{kept.label}.select", "leaves no pairs for format dpo; leave it out")


def _check_references(step: Step, recipe: Recipe, problems: Problems) -> None:
    """What filter accepts without a reference may be held out, so evaluate must be able to judge it too."""
    if step.stage != "evaluate" or not any(one.what == "held-out prompts" for one in step.references()):
        return
    filters = [one.options.verify for one in recipe.steps if one.stage == "filter"]
    asked = [one.options for one in recipe.steps if one.stage == "generate"]
    if len(filters) != 1 or len(asked) != 1 or not filters[0] or filters[0] == step.options.verify:
        return
    try:
        missing = lookups.unscored(recipe.prompts, asked[0], Judge(filters[0]), Judge(step.options.verify))
    except CotDistillError:
        return  # said of the prompts, or of a verifier, already
    if missing:
        problems.add(
            f"{step.label}.verify",
            f"needs a reference, and prompt {missing!r} has none, which filter.verify can judge without: set "
            f"{step.label}.verify = {filters[0]!r} too",
        )


_NOT_TRAINED_HERE = ("alpaca", "sharegpt")
