"""generate, expand, filter, format, finetune, evaluate and export as functions.

Their keyword arguments are the fields of the configs (`config/`): a type checker and an editor see each with its type,
and `help(cotdistill.generate)` shows them with what --help says of them.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, get_type_hints

from cotdistill import config, plugins, progress
from cotdistill.api.progress import reporter
from cotdistill.api.results import Exported, Kept, NewPrompts, Responses, Result, Rows, Scores, Student
from cotdistill.artifacts import Manifest, outputs, remote
from cotdistill.config.options import convert, required, types_of
from cotdistill.errors import CotDistillError, StoppedError, UsageError
from cotdistill.providers.environment import load_env
from cotdistill.stages.option_help import help_lines

P = ParamSpec("P")
R = TypeVar("R", bound=Result[Any])

Source = str | Path | Result[Any]
"""An input: a path, `hf:NAME:SPLIT`, or what the stage before returned."""


def _stage(
    name: str, kind: Callable[P, Any], result: Callable[[Path, Manifest], R], *, reads: str, does: str
) -> Callable[Concatenate[Source, str | Path, P], R]:
    """The function of one stage. `reads` names its input, `does` is the first line of its help."""
    config_class: Any = kind

    def call(source: Source, output: str | Path, /, *args: P.args, **options: P.kwargs) -> R:
        if args:
            raise UsageError(f"{name}: takes an input and an output; options are given by name, such as limit=20")
        chosen = build(config_class, options)
        where = _place(name, _text_of(output, f"{name}: output"))
        outputs.check_name(where, f"{name}: output")
        return result(where, _run(name, path_of(source), where, chosen))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = _described(does, reads, config_class)
    call.__annotations__ = {"return": result}
    call.__signature__ = _signature(reads, config_class, result)  # type: ignore[attr-defined]
    return call


def _run(name: str, source: str, output: Path, chosen: Any) -> Manifest:
    """Run the stage with the checks and the progress of the command line."""
    from cotdistill.recipes.packages import check_packages

    if getattr(chosen, "explain", None):
        raise UsageError("explain: an option of the command line; here ask the result: filter(…).explain(ID)")
    stage = import_module(f"cotdistill.stages.{name}")
    load_env()
    check_packages(chosen)
    shown = reporter()
    with explained(), progress.about(stage=name):
        try:
            made: Manifest = stage.run(source if name == "export" else _place(name, source), output, chosen, shown)
        finally:
            shown.close()
    return made


def _place(name: str, path: str) -> Path:
    """The path of an input or output. Filter's may be in an object store (s3://…); the other stages work on this
    machine."""
    return remote.path(path) if name == "filter" else Path(path)


@contextmanager
def explained() -> Iterator[None]:
    """Turns Ctrl-C and system errors into the errors of the command line, each with its exit code."""
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError("interrupted; the same call continues") from None
    except OSError as error:
        raise CotDistillError(f"{error.filename or 'file'}: {error.strerror or error}") from error


def path_of(source: Source) -> str:
    """The path of an input. Raises UsageError for what is neither a path nor a stage's result."""
    return str(source.path) if isinstance(source, Result) else _text_of(source, "input")


def _text_of(path: Any, what: str) -> str:
    """A path as text, for anything that a program may pass, also what a type checker would refuse."""
    if not isinstance(path, str | Path) or path == "":
        raise UsageError(f"{what}: expected a path, got {path!r:.100}")
    outputs.check_text(str(path), what)
    return str(path)


def build(kind: type[Any], given: Mapping[str, Any]) -> Any:
    """The config for these keyword arguments. Paths and results become their paths, a list becomes a repeated option.

    Raises UsageError for an unknown option, a missing one, and for all options whose values do not fit.
    """
    known = types_of(kind)
    for name in given:
        if name not in known:
            raise plugins.unknown("option", name, known)
    if missing := [name for name in required(kind) if name not in given]:
        raise UsageError(f"{', '.join(missing)}: expected by name, such as {missing[0]}=…; got nothing")
    values = {name: _plain(value) for name, value in given.items()}
    if found := [f"{config.flag(name)}: {why}" for name, why in config.problems(kind, values)]:
        raise UsageError("\n  ".join([f"{len(found)} options do not fit:", *found] if len(found) > 1 else found))
    return kind(**{name: convert(value, known[name]) for name, value in values.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, Result | Path):
        return path_of(value)
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _described(does: str, reads: str, kind: type[Any]) -> str:
    lines = [does, "", "Arguments:", f"    {reads}: A path, or what the stage before returned."]
    lines += ["    output: Where the result is written."]
    return "\n".join([*lines, *(f"    {name}: {words}" for name, words in help_lines(kind))])


def _signature(reads: str, kind: type[Any], result: Any) -> inspect.Signature:
    empty, hints = inspect.Parameter.empty, get_type_hints(kind)  # without the limits, which the help line says
    plain = [
        one.replace(
            default=empty if one.name in required(kind) else one.default,
            annotation=_words(_in_words(hints[one.name])),
        )
        for one in inspect.signature(kind).parameters.values()
    ]
    places = [
        inspect.Parameter(reads, inspect.Parameter.POSITIONAL_ONLY, annotation=_words("str | Path | Result")),
        inspect.Parameter("output", inspect.Parameter.POSITIONAL_ONLY, annotation=_words("str | Path")),
    ]
    return inspect.Signature([*places, *plain], return_annotation=_words(result.__name__))


def _in_words(hint: Any) -> str:
    """A type as a user writes it: `str | None`."""
    return re.sub(r"Optional\[(.*)\]$", r"\1 | None", inspect.formatannotation(hint).replace("typing.", ""))


class _words(str):
    """An annotation as it is shown, without quotes."""

    def __repr__(self) -> str:
        return str(self)


generate = _stage(
    "generate",
    config.GenerateConfig,
    Responses,
    reads="prompts",
    does="Ask a teacher for what the store does not hold yet; never pay twice for one answer.",
)
expand = _stage(
    "expand",
    config.ExpandConfig,
    NewPrompts,
    reads="seeds",
    does="Let a teacher write new prompts like the seeds; keep those that can be answered.",
)
filter = _stage(
    "filter",
    config.FilterConfig,
    Kept,
    reads="responses",
    does="Keep correct responses (rejection sampling); every dropped one has its reason.",
)
format = _stage(
    "format", config.FormatConfig, Rows, reads="kept", does="Write training rows of problem, reasoning and answer."
)
finetune = _stage(
    "finetune",
    config.FinetuneConfig,
    Student,
    reads="rows",
    does="Fine-tune a small open model on rows of format, or on what filter kept.",
)
evaluate = _stage(
    "evaluate",
    config.EvaluateConfig,
    Scores,
    reads="prompts",
    does="Ask a student held-out prompts and score its answers with the verifiers of filter.",
)
export = _stage(
    "export",
    config.ExportConfig,
    Exported,
    reads="student",
    does="Write a student as one file for llama.cpp and Ollama, read it back and ask it.",
)
