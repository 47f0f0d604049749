"""What options name must be there before anything is sent: files, plug-ins, teachers, students, packages, a GPU.

A recipe asks for all its stages at once, a command of the command line for its own.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotdistill import config, plugins, pricing, students, teachers
from cotdistill.artifacts.json_lines import open_input
from cotdistill.errors import AccountError, CotDistillError, UsageError
from cotdistill.exports import trainers
from cotdistill.inputs import templates
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.providers.batch_apis import open_batches
from cotdistill.providers.keys import api_key
from cotdistill.providers.sdk_teacher import SdkTeacher
from cotdistill.providers.types import Request
from cotdistill.records import Message, Usage
from cotdistill.students import hub

if TYPE_CHECKING:
    from cotdistill.recipes.recipe import Recipe

OF_THIS_RUN = "the student of this run"
"""What evaluate asks in a recipe that names no other; no path and no hub id reads like this."""

_SQLITE = b"SQLite format 3\x00"


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
            _prompts(recipe.prompts, generate, lenient=bool(generate and generate.skip_bad))
    if recipe.heldout and evaluate:
        with problems.collected("evaluate.prompts"):
            _prompts(recipe.heldout, evaluate, scored=True)
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


def looks(chosen: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    """For one stage's options: each name in them, with the call that raises CotDistillError where it is not there."""
    for one in fields(chosen):
        value, names = getattr(chosen, one.name), one.metadata["names"]
        for text in value if isinstance(value, tuple) else (value,) if value else ():
            if names in plugins.FOLDERS and text != "none":
                yield one.name, partial(_plug_in, names, text)
            elif names in _LOOKS:
                yield one.name, partial(_LOOKS[names], text)
    if isinstance(chosen, config.GenerateConfig) and chosen.teacher:
        yield from _generate(chosen)
    if isinstance(chosen, config.FilterConfig) and chosen.engine == "ray":
        yield "engine", partial(_package, "ray", "ray")
    if isinstance(chosen, config.FormatConfig):
        yield "export", partial(trainers.check, chosen.export, chosen.format)
    if isinstance(chosen, config.FinetuneConfig) and chosen.method == "qlora":
        yield "method", _four_bits
    if isinstance(chosen, config.EvaluateConfig):
        yield from _evaluate(chosen)


def _generate(chosen: config.GenerateConfig) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "teacher", partial(_teacher, chosen.teacher, chosen.base_url)
    yield "cache", partial(_store, chosen.cache)
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
        yield "max_cost", partial(_priced, chosen)


def _evaluate(chosen: config.EvaluateConfig) -> Iterator[tuple[str, Callable[[], object]]]:
    asked = [chosen.student, *chosen.baseline]
    over_api = [name for name in asked if teachers.is_teacher(name)]
    for name in over_api:
        where = "student" if name == chosen.student else "baseline"
        yield where, partial(_teacher, name, chosen.base_url)
    if chosen.base_url and not over_api:
        yield "base_url", partial(_refuse, "goes with a student or baseline PROVIDER:MODEL; none is given")


def _local_students(chosen: Any) -> Iterator[str]:
    """The students that a command loads into its own process."""
    for one in fields(chosen):
        value, names = getattr(chosen, one.name), one.metadata["names"]
        for text in value if isinstance(value, tuple) else (value,) if value else ():
            given = plugins.parse(text)[1] if names in plugins.FOLDERS else {names: text}
            for kind in ("student", "any_student", "tokenizer"):
                if (name := given.get(kind)) and not teachers.is_teacher(name) and not _is_responses(name):
                    yield name.removeprefix("local:")
            if (name := given.get("teacher", "")).startswith("local:"):
                yield name.removeprefix("local:")


def _teacher(spec: str, base_url: str | None) -> None:
    """Raises UsageError for a teacher there is not, AccountError for one whose key is not set."""
    provider, _, model = spec.partition(":")
    if provider == "local" and model:
        _student(model)
        return
    teacher = teachers.build(spec, base_url)
    if provider == "mock":
        from cotdistill.mock.sources import open_source

        open_source(model)
    elif isinstance(teacher, SdkTeacher):
        api_key(teacher.key, teacher.provider, teacher.base_url)


def _student(name: str) -> None:
    """Raises where it cannot be found, here or on the hub, or where the packages for it are missing."""
    found = students.resolve(name)
    students.need_packages(name)
    if found.kind == "hub" and not hub.is_here(found.source):
        hub.check(found.source)


def _any_student(name: str) -> None:
    """One that evaluate scores; over an API it is looked at as a teacher, with the server."""
    if name != OF_THIS_RUN and not _is_responses(name) and not teachers.is_teacher(name):
        _student(name.removeprefix("local:"))


def _is_responses(name: str) -> bool:
    return Path(name).suffix == ".jsonl" and Path(name).is_file()


def _plug_in(folder: str, spec: str) -> None:
    """Made with its options, which looks at the files it names; and what other options of it name."""
    plugins.build(folder, spec)
    name, given = plugins.parse(spec)
    if teacher := given.get("teacher"):
        _teacher(teacher, given.get("base_url"))
    if tokenizer := given.get("tokenizer"):
        _student(tokenizer)
    if "against" in given and name == "contamination":
        for path in given["against"].split("|"):
            _prompts(Path(path))


def _prompts(
    path: Path,
    options: config.GenerateConfig | config.EvaluateConfig | None = None,
    *,
    scored: bool = False,
    lenient: bool = False,
) -> None:
    """A file of prompts: its first one is read, and all of those that are `scored`, which need references."""
    if str(path).startswith("hf:"):
        _package("datasets", "train")
        return
    open_input(path).close()
    if lenient:
        return
    count = 0
    for prompt in PromptFile.chosen(path, options) if options else PromptFile(path):
        count += 1
        if not scored:
            return
        if prompt.reference is None:
            raise UsageError(f"{path}: prompt {prompt.id!r} has no reference to score against")
    if not count:
        raise UsageError(f"{path}: no prompts in it")


def _rows(path: str) -> None:
    with open_input(Path(path)) as file:
        if not file.read(1):
            raise UsageError(f"{path}: holds no rows")


def _store(path: str | None) -> None:
    """The store of paid answers is a database of its own, never a person's file."""
    if path is None:
        return
    store = Path(path)
    if store.is_dir():
        raise UsageError(f"{path}: is a directory; name a file, such as store.sqlite")
    if store.is_file() and store.stat().st_size:
        with store.open("rb") as file:
            if file.read(len(_SQLITE)) != _SQLITE:
                raise UsageError(f"{path}: is no store of answers; name another file")
    _writable(store.parent)


def _writable(folder: Path) -> None:
    there = next((one for one in (folder, *folder.absolute().parents) if one.exists()), Path("/"))
    if not there.is_dir():
        raise UsageError(f"{there}: is a file; expected a directory")
    if not os.access(there, os.W_OK):
        raise UsageError(f"{there}: cannot be written to")


def _priced(chosen: config.GenerateConfig) -> None:
    teacher = teachers.build(chosen.teacher, chosen.base_url)
    if chosen.price_in is None and chosen.price_out is None:
        prices = pricing.Prices(teacher.provider, teacher.model)
        if prices.cost(Usage(input_tokens=1, output_tokens=1)) is None:
            raise UsageError(f"the price of {teacher.model!r} is not known; give price_in and price_out")


def _four_bits() -> None:
    from cotdistill.students import quantized

    students.need_packages("qlora")
    quantized.check()


def _package(name: str, extra: str) -> None:
    if importlib.util.find_spec(name) is None:
        raise CotDistillError(f"needs the package {name}: pip install 'cotdistill[{extra}]'")


def _refuse(why: str) -> None:
    raise UsageError(why)


def _check_runs(recipe: Recipe, problems: Problems) -> None:
    with problems.collected("runs"):
        _writable(recipe.runs)
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
    try:
        _priced(generate)
    except UsageError as error:
        problems.add("max_cost_per_month", str(error))
    except CotDistillError:
        pass  # said of the teacher already


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
    "student": _student,
    "any_student": _any_student,
    "template": templates.load,
    "examples": templates.examples,
    "prompts": lambda path: _prompts(Path(path)),
    "rows": _rows,
}
