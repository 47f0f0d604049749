"""The application, to which commands are added in the order in which --help shows them."""

from functools import partial

import typer

from cotdistill.cli.help import GroupedCommand, WholeSentences

app = typer.Typer(
    name="cotdistill",
    cls=WholeSentences,
    help=(
        "Turn prompts into a small model that reasons like a big one.\n\n"
        "prompts -> generate -> responses -> filter -> kept -> format -> rows -> finetune -> student -> evaluate"
    ),
    epilog="Start with: cotdistill demo",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

command = partial(app.command, cls=GroupedCommand)
