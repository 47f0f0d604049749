"""A config's fields as command-line options: one place for name, default and help, whoever reads them."""

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer

from cotdistill import config, plugins
from cotdistill.inputs import templates


def _names() -> dict[str, str]:
    """What `{filters}` and its like in a help line stand for: the folder as it is now."""
    listed = {folder: ", ".join(plugins.names(folder)) for folder in plugins.FOLDERS}
    return {**listed, "templates": ", ".join(templates.names())}


def options_of(*configs: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option per field of `configs`; it is called with its arguments and the built configs."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        own = [
            parameter
            for parameter in inspect.signature(function, eval_str=True).parameters.values()
            if parameter.annotation not in configs
        ]
        fields = [field for kind in configs for field in _fields(kind)]
        fields += [_HELP_ALL] * any(field.metadata["rare"] for kind in configs for field in dataclasses.fields(kind))

        def command(**given: Any) -> None:
            given.pop(_HELP_ALL.name, None)
            arguments = {parameter.name: given.pop(parameter.name) for parameter in own}
            built = [_build(kind, given) for kind in configs]
            function(*arguments.values(), *built)

        command.__name__, command.__doc__ = function.__name__, function.__doc__
        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + fields
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return command

    return decorate


def _show_all(context: typer.Context, wanted: bool) -> None:
    if wanted:
        for parameter in context.command.params:
            parameter.hidden = False  # type: ignore[attr-defined]
        typer.echo(context.get_help())
        raise typer.Exit


_HELP_ALL = inspect.Parameter(
    "help_all",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[
        bool, typer.Option("--help-all", callback=_show_all, is_eager=True, help="Show the rarer options too.")
    ],
)


def _fields(kind: type[Any]) -> list[inspect.Parameter]:
    hints, names = typing.get_type_hints(kind), _names()
    parameters = []
    for field in dataclasses.fields(kind):
        help = field.metadata["help"].format_map(names)
        option = typer.Option(
            "--" + field.name.replace("_", "-"),
            help=help,
            metavar=field.metadata["metavar"] or None,
            hidden=field.metadata["rare"],
        )
        repeated = typing.get_origin(hints[field.name]) is tuple
        hint = list[str] if repeated else hints[field.name]
        default: Any = field.default
        if repeated:
            default = list(default)
        if field.default is config.REQUIRED and not _optional(hint):
            default = inspect.Parameter.empty
        parameters.append(
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[hint, option]
            )
        )
    return parameters


def _optional(hint: Any) -> bool:
    return isinstance(hint, types.UnionType) and type(None) in typing.get_args(hint)


def _build(kind: type[Any], given: dict[str, Any]) -> Any:
    values = {field.name: given[field.name] for field in dataclasses.fields(kind)}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def load_env() -> None:
    """Keys from .env in the working directory or above it; the environment wins."""
    from dotenv import find_dotenv, load_dotenv

    load_dotenv(find_dotenv(usecwd=True))
