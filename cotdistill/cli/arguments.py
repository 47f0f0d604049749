"""What the arguments of several commands have in common."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer


def named(path: Path) -> Path:
    from cotdistill.artifacts import outputs, remote

    outputs.check_name(path)
    remote.check_lasts(path)
    return path


Output = Annotated[
    Path,
    typer.Option(
        "-o", "--output", help="Where the result is written.", metavar="PATH", show_default=False, callback=named
    ),
]


def argument(help: str, metavar: str, parser: Callable[[str], Path] | None = None) -> Any:
    return typer.Argument(help=help, metavar=metavar, show_default=False, parser=parser)


def anywhere(text: str) -> Path:
    """A path of this machine or of another one."""
    if "://" not in text:
        return Path(text)
    from cotdistill.artifacts import remote

    return remote.path(text)
