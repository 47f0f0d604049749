"""What options name must be there before anything is sent: files, plug-ins, teachers, students, packages, a GPU.

A recipe asks for all its stages at once, a command of the command line for its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotdistill import config, exports, plugins, students, teachers
from cotdistill.errors import AccountError, CotDistillError, UsageError
from cotdistill.inputs import templates
from cotdistill.providers.batch_apis import open_batches
from cotdistill.providers.types import Request
from cotdistill.recipes import lookups
from cotdistill.records import Message
from cotdistill.stages.evaluate import guard
from cotdistill.stages.evaluate.answers import costs, is_recorded

if TYPE_CHECKING:
    from cotdistill.recipes.recipe import Recipe


@dataclass
class Problems:
    """What is wrong, each with its place. `accounts` counts the keys that are not set."""

    found: list[str] = field(default_factory=list)
    accounts: int = 0

    def add(self, place: str, why: str) -> None:
        if (line := f"{place}: {why}") not in self.found:
            self.found.append(line)

    @contextmanager
    def collected(self, place: str) -> Iterator[None]:
        """What is raised inside becomes a problem at `place`."""
        try:
            yield
        except CotDistillError as error:
            self.accounts += isinstance(error, AccountError)
            self.add(place, str(error))

    def only_accounts(self) -> bool:
        return self.accounts == len(self.found)


def check(recipe: Recipe, problems: Problems) -> None:
    """Look for all that the recipe names."""
    options = recipe.stages
    generate, evaluate = options.get("generate"), options.get("evaluate")
    if recipe.prompts != Path():
        with problems.collected("prompts"):
            lookups.prompts(recipe.prompts, generate, lenient=bool(generate and generate.skip_bad))
    if recipe.heldout and evaluate:
        with problems.collected("evaluate.prompts"):
            lookups.prompts(recipe.heldout, evaluate, scored=True)
    _check_runs(recipe, problems)
    _check_month(recipe, problems)
    for stage, chosen in options.items():
        for name, look in looks(chosen):
            with problems.collected(f"{stage}.{name}"):
                look()
    _check_layout(options, problems)


def check_packages(chosen: Any) -> None:
    """The packages that one command needs, asked before it begins. Raises CotDistillError that says how to install."""
    for name in _local_students(chosen):
        students.need_packages(name)
    if getattr(chosen, "engine", "local") in plugins.names("servers"):
        lookups.engine(chosen.engine)


def looks(chosen: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    """For one stage's options: each name in them, with the call that raises CotDistillError where it is not there."""
    for one in fields(chosen):
        value, names = getattr(chosen, one.name), one.metadata["names"]
        for text in value if isinstance(value, tuple) else (value,) if value else ():
            if names in plugins.FOLDERS and text not in ("none", one.default):  # a default is there, and slow to load
                yield one.name, partial(lookups.plug_in, names, text)
            elif names in _LOOKS:
                yield one.name, partial(_LOOKS[names], text)
    yield from _of_stage(chosen)


def _of_stage(chosen: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    """What only one stage has."""
    if isinstance(chosen, config.GenerateConfig) and chosen.teacher:
        yield from _generate(chosen)
    if isinstance(chosen, config.FilterConfig) and chosen.engine == "ray":
        yield "engine", partial(lookups.package, "ray", "ray")
    if isinstance(chosen, config.FormatConfig):
        yield "export", partial(exports.of_rows, chosen.export, chosen.format)
    if isinstance(chosen, config.FinetuneConfig):
        if chosen.method == "qlora":
            yield "method", lookups.four_bits
        if chosen.teacher:
            yield "teacher", partial(lookups.teacher, chosen.teacher, None)
    if isinstance(chosen, config.EvaluateConfig):
        yield from _evaluate(chosen)
    if getattr(chosen, "engine", "local") in plugins.names("servers"):
        yield "engine", partial(lookups.engine, chosen.engine)


def _generate(chosen: config.GenerateConfig) -> Iterator[tuple[str, Callable[[], object]]]:
    columns = chosen.prompt_field, chosen.reference_field
    yield "teacher", partial(lookups.teacher, chosen.teacher, chosen.base_url, columns)
    try:
        teacher = teachers.build(chosen.teacher, chosen.base_url)
    except CotDistillError:
        return  # said of the teacher already
    asked = (Message(role="user", content="?"),)
    cap = chosen.max_output_tokens
    yield "temperature", partial(teacher.body, Request(asked, cap, chosen.temperature))
    yield "effort", partial(teacher.body, Request(asked, cap, effort=chosen.effort))
    if chosen.batch:
        yield "batch", partial(open_batches, teacher)
    if chosen.max_cost is not None:
        yield from (("max_cost", look) for _, look in _priced(chosen))


def _evaluate(chosen: config.EvaluateConfig) -> Iterator[tuple[str, Callable[[], object]]]:
    if chosen.export:
        yield "export", partial(exports.build, chosen.export, "prompts", "--export")
    asked = [chosen.student, *chosen.baseline, *([chosen.guard_against] if chosen.guard_against else [])]
    if chosen.guard:
        yield "guard", partial(lookups.prompts, Path(chosen.guard), chosen, scored=True)
        if chosen.student != lookups.OF_THIS_RUN:
            yield "guard", partial(guard.opponent, chosen)
    over_api = [name for name in asked if teachers.is_teacher(name)]
    for name in over_api:
        yield _option_of(name, chosen), partial(lookups.teacher, name, chosen.base_url)
    if chosen.max_cost is not None:
        yield from (("max_cost", look) for _, look in _priced(chosen))
    if chosen.engine != "local" and all(teachers.is_teacher(name) or is_recorded(name) for name in asked):
        yield "engine", partial(lookups.refuse, "goes with a student or baseline of this machine; none is given")
    if chosen.base_url and not over_api:
        yield "base_url", partial(lookups.refuse, "goes with a student or baseline PROVIDER:MODEL; none is given")


def _option_of(student: str, chosen: config.EvaluateConfig) -> str:
    if student == chosen.student:
        return "student"
    return "baseline" if student in chosen.baseline else "guard_against"


def _priced(chosen: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    """Looks at the price of each model that a stage pays for: teacher, judge, students over an API."""
    if isinstance(chosen, config.GenerateConfig) and chosen.teacher:
        yield "teacher", partial(lookups.priced, chosen.teacher, chosen.base_url, chosen.price_in, chosen.price_out)
    if isinstance(chosen, config.EvaluateConfig):
        for name in filter(costs, (chosen.student, *chosen.baseline, chosen.guard_against or "")):
            given = (chosen.price_in, chosen.price_out) if name == chosen.student else (None, None)
            yield _option_of(name, chosen), partial(lookups.priced, name, chosen.base_url, *given)
    verify = plugins.parse(getattr(chosen, "verify", None) or "none")[1]
    if costs(judge := verify.get("teacher", "")):
        prices = (float(verify[name]) if name in verify else None for name in ("price_in", "price_out"))
        yield "verify", partial(lookups.priced, judge, verify.get("base_url"), *prices)


def _local_students(chosen: Any) -> Iterator[str]:
    """The students that a command loads into its own process."""
    for one in fields(chosen):
        value, names = getattr(chosen, one.name), one.metadata["names"]
        for text in value if isinstance(value, tuple) else (value,) if value else ():
            given = plugins.parse(text)[1] if names in plugins.FOLDERS else {names: text}
            for kind in ("student", "any_student", "tokenizer"):
                if (name := given.get(kind)) and not teachers.is_teacher(name) and not is_recorded(name):
                    yield name.removeprefix("local:")
            if (name := given.get("teacher", "")).startswith("local:"):
                yield name.removeprefix("local:")


def _check_runs(recipe: Recipe, problems: Problems) -> None:
    with problems.collected("runs"):
        lookups.writable(recipe.runs)
    latest = recipe.runs / "latest"
    if latest.exists() and not latest.is_symlink():
        problems.add("runs", f"{latest} is no link; move it away, each run makes it point to the last complete one")


def _check_month(recipe: Recipe, problems: Problems) -> None:
    generate = recipe.stages.get("generate")
    if recipe.max_cost_per_month is None or generate is None:
        return
    if generate.no_cache:
        problems.add(
            "max_cost_per_month", "is counted from the store, and generate.no_cache keeps none. Leave one of them out"
        )
    for stage, chosen in recipe.stages.items():
        for name, look in _priced(chosen):
            try:
                look()
            except UsageError as error:
                problems.add("max_cost_per_month", f"{stage}.{name}: {error}")
            except (CotDistillError, ValueError):
                pass  # said of the teacher, or of the verifier, already


def _check_layout(options: dict[str, Any], problems: Problems) -> None:
    """What format writes must be what finetune reads, and made of what filter keeps."""
    if "format" not in options:
        return
    layout = options["format"].format.partition(":")[0]
    if layout == "dpo" and (filter := options.get("filter")):
        if not filter.keep_incorrect:
            problems.add(
                "format.format", "dpo needs a right and a wrong answer of one prompt: set filter.keep_incorrect"
            )
        if filter.select:
            problems.add("filter.select", "leaves no pairs for format dpo; leave it out")
    if "finetune" in options and layout in _NOT_TRAINED_HERE:
        problems.add("format.format", f"finetune cannot read {layout} rows; {layout} is for other trainers")


_NOT_TRAINED_HERE = ("alpaca", "sharegpt", "dpo")

_LOOKS: dict[str, Callable[[str], object]] = {
    "student": lookups.student,
    "any_student": lookups.any_student,
    "template": templates.load,
    "examples": templates.examples,
    "prompts": lambda path: lookups.prompts(Path(path)),
    "rows": lookups.rows,
    "store": lookups.store,
}
