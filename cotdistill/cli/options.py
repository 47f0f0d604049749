"""A config's fields as command-line options: one place for name, default and help, whoever reads them."""

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer

from cotdistill import config
from cotdistill.cli.help import show_all
from cotdistill.config.options import choices
from cotdistill.stages.option_help import help_lines


def options_of(*configs: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option per field of `configs`; it is called with its arguments and the built configs."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        takes = inspect.signature(function, eval_str=True).parameters.values()
        own = [parameter for parameter in takes if parameter.annotation not in configs]
        built_for = {parameter.name: parameter.annotation for parameter in takes if parameter.annotation in configs}
        fields = [field for kind in configs for field in _fields(kind)]
        fields.append(_HELP_ALL)  # also where no option is rare: pages speak of it for every command

        def command(**given: Any) -> None:
            given.pop(_HELP_ALL.name, None)
            arguments = {parameter.name: given.pop(parameter.name) for parameter in own}
            function(**arguments, **{name: _build(kind, given) for name, kind in built_for.items()})

        command.__name__, command.__doc__ = function.__name__, function.__doc__
        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + fields
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return command

    return decorate


_HELP_ALL = inspect.Parameter(
    "help_all",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[
        bool,
        typer.Option(
            "--help-all", callback=show_all, is_eager=True, help="Show the rare options too.", rich_help_panel="Log"
        ),
    ],
)


def _fields(kind: type[Any]) -> list[inspect.Parameter]:
    hints, helps = typing.get_type_hints(kind), dict(help_lines(kind))
    parameters = []
    for field in dataclasses.fields(kind):
        one_of = choices(hints[field.name])
        option = typer.Option(
            config.flag(field.name),
            help=helps[field.name],
            metavar="|".join(one_of) or field.metadata["metavar"] or None,
            hidden=field.metadata["rare"],
            show_default=_shown(field.default),
            rich_help_panel=field.metadata["panel"] or None,
        )
        hint, default = _for_typer(hints[field.name], bool(one_of)), field.default
        if isinstance(default, tuple):
            default = list(default)
        if default is config.REQUIRED:
            default = inspect.Parameter.empty
        parameters.append(
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[hint, option]
            )
        )
    return parameters


def _for_typer(hint: Any, one_of: bool) -> Any:
    """The type that typer reads: choices are texts to it, so that a wrong one is refused in the words of `config`."""
    if typing.get_origin(hint) is tuple:
        return list[str]
    if not one_of:
        return hint
    return str | None if types.NoneType in typing.get_args(hint) else str


def _shown(default: Any) -> bool:
    """Whether --help names the default: not one that says nothing."""
    return default not in (None, (), False, "")


def _build(kind: type[Any], given: dict[str, Any]) -> Any:
    """The config of these options. Raises UsageError that names every option that does not fit."""
    values = {field.name: given[field.name] for field in dataclasses.fields(kind)}
    built = kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
    config.check(built)
    return built
