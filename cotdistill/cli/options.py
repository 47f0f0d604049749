"""A config's fields as command-line options: one place for name, default and help, whoever reads them."""

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Annotated, Any

import typer

from cotdistill import config, plugins
from cotdistill.cli.help import show_all
from cotdistill.config.options import choices
from cotdistill.inputs import templates
from cotdistill.masking import add_unsent_secrets


@cache
def _names() -> dict[str, str]:
    """What `{filters}` and its like in a help line stand for: the folder as it is now."""
    listed = {folder: ", ".join(plugins.names(folder)) for folder in plugins.FOLDERS}
    listed |= {f"{takes}_exports": _typed("exports", takes) for takes in ("student", "rows", "prompts")}
    return {**listed, "templates": ", ".join(templates.names())}


@lru_cache
def _typed(folder: str, method: str) -> str:
    return ", ".join(name.replace("_", "-") for name in plugins.names(folder, method))


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
    hints, names = typing.get_type_hints(kind), _names()
    parameters = []
    for field in dataclasses.fields(kind):
        one_of = choices(hints[field.name])
        option = typer.Option(
            config.flag(field.name),
            help=field.metadata["help"].format_map(names),
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


def load_env() -> None:
    """Keys from .env in the working directory or above it; the environment wins."""
    from dotenv import find_dotenv, load_dotenv

    load_dotenv(find_dotenv(usecwd=True))
    add_unsent_secrets()  # before a key is used: of all the others no message shows one either
