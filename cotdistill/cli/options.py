"""A config's fields as command-line options: one place for name, default and help."""

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any

import typer

from cotdistill import config
from cotdistill.cli.help import show_all
from cotdistill.config.options import choices
from cotdistill.stages.option_help import help_lines


def options_of(*configs: type[Any]) -> Callable[[Callable[..., None]], "Command"]:
    """Give a command one option per field of `configs`; it is called with its arguments and the built configs."""
    return lambda function: Command(function, configs)


class Command:
    """A function whose signature has the options that typer reads. The signature is built when typer asks, because it
    asks for one command only."""

    def __init__(self, function: Callable[..., None], configs: tuple[type[Any], ...]) -> None:
        self._function, self._configs = function, configs
        self.__name__, self.__doc__ = function.__name__, function.__doc__

    def __call__(self, **given: Any) -> None:
        given.pop(_HELP_ALL.name, None)
        arguments = {parameter.name: given.pop(parameter.name) for parameter in self._own}
        built = {name: _build(kind, given) for name, kind in self._built_for.items()}
        self._function(**arguments, **built)

    @cached_property
    def __signature__(self) -> inspect.Signature:
        own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in self._own]
        options = [option for kind in self._configs for option in _fields(kind)]
        # _HELP_ALL also where no option is rare: pages speak of it for every command.
        return inspect.Signature([*own, *options, _HELP_ALL])

    @property
    def __annotations__(self) -> dict[str, Any]:  # type: ignore[override]
        return {parameter.name: parameter.annotation for parameter in self.__signature__.parameters.values()}

    @cached_property
    def _takes(self) -> list[inspect.Parameter]:
        return list(inspect.signature(self._function, eval_str=True).parameters.values())

    @property
    def _own(self) -> list[inspect.Parameter]:
        return [parameter for parameter in self._takes if parameter.annotation not in self._configs]

    @property
    def _built_for(self) -> dict[str, Any]:
        return {one.name: one.annotation for one in self._takes if one.annotation in self._configs}


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
    """The type for typer: choices are texts, so that a wrong one is refused in `config`'s words."""
    if typing.get_origin(hint) is tuple:
        return list[str]
    if not one_of:
        return hint
    return str | None if types.NoneType in typing.get_args(hint) else str


def _shown(default: Any) -> bool:
    """Whether --help shows the default: only if it says something."""
    return default not in (None, (), False, "")


def _build(kind: type[Any], given: dict[str, Any]) -> Any:
    """The config of these options. Raises UsageError that names every option that does not fit."""
    values = {field.name: given[field.name] for field in dataclasses.fields(kind)}
    built = kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
    config.check(built)
    return built
