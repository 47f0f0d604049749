"""How --help looks: options in groups, readable defaults, examples that can be pasted from a narrow terminal.

Plain text: it wraps at any width, and costs no import of rich.
"""

import textwrap
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from cotdistill.cli.values import with_plain_values

EXAMPLE_WIDTH = 70
"""Together with "Example: " before it under 80 columns."""


class WholeSentences(TyperGroup):
    """Lists each command with its whole first sentence, on two lines if need be: cut sentences say nothing."""

    def get_params(self, ctx: Any) -> Any:
        return with_plain_values(_with_plain_flags(super().get_params(ctx)))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        named = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, " ".join((one.help or "").split("\n\n")[0].split())) for name, one in named if one]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class GroupedCommand(TyperCommand):
    """A command that lists its options under their `rich_help_panel`, in the order in which the panels first appear."""

    def get_params(self, ctx: Any) -> Any:
        return with_plain_values(_with_plain_flags(super().get_params(ctx)))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The usage without the braces around a required argument, which read as a set."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if (entry := parameter.get_help_record(ctx)) is None:
                continue
            if parameter.param_type_name == "argument":
                panel = "Arguments"
                entry = (str(getattr(parameter, "metavar", "") or parameter.name), entry[1])
            else:
                panel = getattr(parameter, "rich_help_panel", None) or "Options"
            groups.setdefault(panel, []).append(entry)
        for panel, entries in groups.items():
            with formatter.section(panel):
                formatter.write_dl(entries)


def _with_plain_flags(parameters: list[Any]) -> list[Any]:
    """Set typer's own flags, such as --help, to False instead of None: to find out that None is no flag typer would
    load pydantic, which takes longer than all the rest of --help."""
    for one in parameters:
        if getattr(one, "is_flag", False) and one.default is None:
            one.default = False
    return parameters


def example(command: str) -> str:
    """The last lines of a --help. A long command is broken between words, with a backslash as the shell wants it."""
    lines = textwrap.wrap(command, EXAMPLE_WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return "\b\nExample: " + " \\\n           ".join(lines)


def show_all(context: typer.Context, wanted: bool) -> None:
    """--help-all: show the rare options too."""
    if wanted:
        for parameter in context.command.params:
            parameter.hidden = False  # type: ignore[attr-defined]
        typer.echo(context.get_help())
        raise typer.Exit
