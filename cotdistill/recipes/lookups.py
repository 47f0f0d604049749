"""Looks for one thing that an option names: each function returns where it is there, and raises CotDistillError where
not."""

import importlib.util
import os
from itertools import islice
from pathlib import Path

from cotdistill import config, plugins, pricing, servers, students, teachers
from cotdistill.artifacts.json_lines import CountedLines
from cotdistill.artifacts.opening import open_input
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.inputs import recordings
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.providers.keys import is_own_server
from cotdistill.records import Usage
from cotdistill.stages.evaluate.answers import is_recorded
from cotdistill.stages.verification import Judge
from cotdistill.students import hub

LOOKED_AT = 1000
"""The first prompts that are read of a file of unknown size."""

_SQLITE = b"SQLite format 3\x00"


def teacher(spec: str, base_url: str | None, columns: recordings.Columns = recordings.USUAL) -> None:
    """Raises UsageError for an unknown teacher, AccountError where its key is not set. `columns` are those of a
    recording, as in `teachers.build`."""
    provider, _, model = spec.partition(":")
    if provider == "local" and model:
        student(model)
        return
    teachers.check_ready(teachers.build(spec, base_url), columns)


def student(name: str) -> None:
    """Raises where the student is found neither here nor on the hub, or where a package for it is missing."""
    found = students.resolve(name)
    students.need_packages(name)
    if found.kind == "hub" and not hub.is_here(found.source):
        hub.check(found.source)


def any_student(name: str) -> None:
    """A student that evaluate scores; one over an API is looked up as a teacher, with its server."""
    if not is_recorded(name) and not teachers.is_teacher(name):
        student(name.removeprefix("local:"))


def plug_in(folder: str, spec: str) -> None:
    """Make the plug-in with its options, which finds the files that it names; then look up what its other options
    name."""
    plugins.build(folder, spec)
    name, given = plugins.parse(spec)
    if spec_of_teacher := given.get("teacher"):
        teacher(spec_of_teacher, given.get("base_url"))
    if tokenizer := given.get("tokenizer"):
        student(tokenizer)
    if "against" in given and name == "contamination":
        for path in given["against"].split("|"):
            prompts(Path(path))


def prompts(
    path: Path,
    options: config.GenerateConfig | config.EvaluateConfig | None = None,
    *,
    scored: bool = False,
    lenient: bool = False,
) -> None:
    """Read a file of prompts: the first prompt, or all that are `scored`, which need references unless their verifier
    needs none."""
    if str(path).startswith("hf:"):
        package("datasets", "train")
        return
    open_input(path).close()
    if lenient:
        return
    count, judge = 0, _judge(options) if scored else None
    for prompt in PromptFile.chosen(path, options) if options else PromptFile(path):
        count += 1
        if judge is None:
            return
        if prompt.reference is None and judge.needs_reference(prompt):
            raise UsageError(f"{path}: prompt {prompt.id!r} has no reference to score against")
    if not count:
        raise UsageError(f"{path}: no prompts in it")


def unscored(path: Path, options: config.GenerateConfig, by_filter: Judge, by_evaluate: Judge) -> str | None:
    """The id of a prompt, among the first ones, without a reference, where one of two verifiers needs it and the other
    does not. None where there is none, and for a data set of the hub, which a look would fetch."""
    if str(path).startswith("hf:") or not path.is_file():
        return None
    for prompt in islice(PromptFile.chosen(path, options, bad=CountedLines()), LOOKED_AT):
        if prompt.reference is None and by_evaluate.needs_reference(prompt) and not by_filter.needs_reference(prompt):
            return prompt.id
    return None


def _judge(options: config.GenerateConfig | config.EvaluateConfig | None) -> Judge:
    """The stage's verifier; where its `verify` is wrong, which is reported for that option, the verifier that fits each
    prompt."""
    try:
        return Judge(getattr(options, "verify", None))
    except CotDistillError:
        return Judge()


def rows(path: str) -> None:
    with open_input(Path(path)) as file:
        if not file.read(1):
            raise UsageError(f"{path}: holds no rows")


def store(path: str | None) -> None:
    """The store must be a database of its own, never a user's file."""
    if path is None:
        return
    file = Path(path)
    if file.is_dir():
        raise UsageError(f"{path}: is a directory; name a file, such as store.sqlite")
    if file.is_file() and file.stat().st_size:
        with file.open("rb") as content:
            if content.read(len(_SQLITE)) != _SQLITE:
                raise UsageError(f"{path}: is no store of answers; name another file")
    writable(file.parent)


def writable(folder: Path) -> None:
    there = next((one for one in (folder, *folder.absolute().parents) if one.exists()), Path("/"))
    if not there.is_dir():
        raise UsageError(f"{there}: is a file; expected a directory")
    if not os.access(there, os.W_OK):
        raise UsageError(f"{there}: cannot be written to")


def priced(spec: str, base_url: str | None, price_in: float | None, price_out: float | None) -> None:
    """A budget needs the price of the model. Raises UsageError where none is given or published."""
    asked = teachers.build(spec, base_url)
    if price_in is None or price_out is None:
        prices = pricing.Prices(asked.provider, asked.model)
        if not prices.free and prices.cost(Usage(input_tokens=1, output_tokens=1)) is None:
            more = "; 0 is a price too, for a server of your own" if is_own_server(asked.base_url) else ""
            raise UsageError(f"the price of {asked.model!r} is not known; give price_in and price_out{more}")


def four_bits() -> None:
    from cotdistill.students import quantized

    students.need_packages("qlora")
    quantized.check()


def engine(name: str) -> None:
    """Raises where the server's program, or a package that it needs, is not installed."""
    servers.build(name).command()


def package(name: str, extra: str) -> None:
    if importlib.util.find_spec(name) is None:
        raise CotDistillError(f"needs the package {name}: pip install 'cotdistill[{extra}]'")


def refuse(why: str) -> None:
    raise UsageError(why)
