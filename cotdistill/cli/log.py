"""What a command prints on stderr besides progress: errors, as a line of words or, with --log-format json, as a JSON
line."""

import json
import sys
import traceback
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NoReturn

import typer

from cotdistill import progress
from cotdistill.errors import ERROR, USAGE, CotDistillError
from cotdistill.masking import masked_output

if TYPE_CHECKING:
    from cotdistill.artifacts import Manifest


def say(text: object, *, err: bool = False, dim: bool = False) -> None:
    """Print for a user or a pipe. Every text of a command goes through here, every log line through `progress`. `dim`:
    dimmed on a terminal."""
    _print(masked_output(str(text)), err=err, dim=dim)


def say_json(text: str | bytes, change: Callable[[str], str] = str) -> None:
    """Print a line of JSON for a pipe, with `change` applied to each of its texts."""
    _print(progress.masked_json(progress.each_text(json.loads(text), change), separators=(",", ":")))


def _print(clean: str, *, err: bool = False, dim: bool = False) -> None:
    try:
        typer.echo(typer.style(clean, dim=True) if dim else clean, err=err)  # which leaves styles out elsewhere
    except BrokenPipeError:
        if not err:
            raise  # a reader who has seen enough, as typer knows
    except OSError as error:
        if not err:  # what is said on stderr stops nothing
            raise CotDistillError(f"standard output: cannot write it: {error.strerror}") from None


def wants_json(words: Sequence[str]) -> bool:
    """Whether a command line asks for JSON lines. It is looked for before parsing, because a slip in the command line
    is an error too."""
    following = [after for before, after in pairwise(words) if before == "--log-format"]
    joined = [word.partition("=")[2] for word in words if word.startswith("--log-format=")]
    return "json" in (*following, *joined)


def summary(manifest: "Manifest") -> None:
    """A stage's end as one JSON line with its numbers and notes."""
    from cotdistill.artifacts.summary import one_line

    more = {"counts": manifest.counts, "cost_usd": manifest.cost_usd, "notes": manifest.notes or None}
    _print(progress.json_line(one_line(manifest), level="info", **more), err=True)


def fail(message: str, code: int, *, as_json: bool) -> NoReturn:
    """Print one error and exit with its code."""
    if as_json:
        _print(progress.json_line(message, level="error", exit_code=code), err=True)
    else:
        say(f"cotdistill: {message}", err=True)
    sys.exit(code)


def fail_unexplained(error: Exception, *, as_json: bool) -> NoReturn:
    """Print a slip in the command line in its parser's words; any other error is a bug and keeps its traceback."""
    if hasattr(error, "format_message"):  # what typer raises
        fail(error.format_message(), int(getattr(error, "exit_code", USAGE)), as_json=as_json)
    lines = "".join(traceback.format_exception(error))
    if as_json:
        _print(progress.json_line(f"{type(error).__name__}: {error}", level="error", traceback=lines), err=True)
    else:
        say(lines, err=True)
    sys.exit(ERROR)
