"""The command line: every command, --version, and how a failure becomes one line and an exit code.

The commands that call a stage (`stages`) are added where they are imported, before those here.
"""

import atexit
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.main import get_command_name

from cotdistill import __version__, plugins
from cotdistill.cli import compare, doctor, interrupts, listing, log, mock_teacher, recipes, stages
from cotdistill.cli.app import app, command
from cotdistill.cli.arguments import Output, argument
from cotdistill.cli.cache import cache
from cotdistill.cli.help import example
from cotdistill.errors import DONE, ERROR, INTERRUPTED, USAGE, CotDistillError, StoppedError, UsageError

__all__ = ["app", "main", "stages"]

SWITCH_S = 0.0005
"""Seconds after which a thread lets another one run, instead of Python's 5 ms: the store writes, and prices are loaded,
beside a busy event loop."""

recipes.register(app)


command(epilog=example("cotdistill compare runs --csv runs.csv --html runs.html"))(compare.compare)


@command(epilog=example("cotdistill report runs/latest -o report.html"))
def report(
    run_dir: Annotated[
        Path, argument("A run's directory, such as runs/latest or demo, or a folder of runs.", "RUN_DIR")
    ],
    output: Output,
) -> None:
    """Write one self-contained page: result, answers side by side, funnel, cost, plots, traces; or runs over time."""
    from rich.filesize import decimal

    from cotdistill import report as page

    info = page.write(run_dir, output)
    log.say(f"{info.path}: {decimal(output.stat().st_size)}", err=True)


@command(epilog=example("cotdistill demo -o demo"))
def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where its files go.", metavar="DIR")] = Path("demo"),
    seed: Annotated[
        int,
        typer.Option(
            help="Seed of the problems, the order of rows and the students.", metavar="N", min=0, max=2**32 - 1
        ),
    ] = 0,
    problems: Annotated[int, typer.Option(help="Training problems.", metavar="N", min=1)] = 3000,
    steps: Annotated[int, typer.Option(help="Training steps of each student.", metavar="N", min=1)] = 1200,
) -> None:
    """The whole chain, offline, in minutes, on the embedded simulated teacher and a tiny student."""
    from cotdistill import progress, students
    from cotdistill.recipes import demo as chain

    students.need_packages("demo")
    reporter = progress.for_stderr()
    try:
        closing = chain.run(chain.Demo(output, problems=problems, steps=steps, seed=seed), reporter)
    except KeyboardInterrupt:
        raise StoppedError("interrupted; the same command starts over, its answers are in the store") from None
    finally:
        reporter.close()
    log.say(closing)


mock_teacher.register(app)
command(epilog=example("cotdistill doctor"))(doctor.doctor)
app.add_typer(cache, name="cache")


@command("list", epilog=example("cotdistill list filters"))
def list_(
    what: Annotated[str, argument(f"One of {', '.join(listing.KINDS)}.", "WHAT")] = "",
) -> None:
    """Show the plug-ins, students and templates that there are, with their options."""
    if what and what not in listing.KINDS:
        raise plugins.unknown("kind of plug-in", what, listing.KINDS)
    for kind in [what] if what else listing.KINDS:
        if not what:
            log.say(f"{kind}:")
        for line in listing.lines(kind):
            log.say(line if what else f"  {line}")


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        log.say(f"cotdistill {__version__}")
        raise typer.Exit


def _open_standard_files() -> None:
    """Open standard files that were closed at the start, leading nowhere. Otherwise the next file that is opened, such
    as the store, would get the number of one, and a library's output on stderr would be written into it."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115  # by its number


def _has_directory() -> bool:
    """Whether the current directory exists."""
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def _check_words(words: Sequence[str]) -> None:
    """Raises UsageError for words that are not UTF-8, before anything is paid for: they may be written to a manifest or
    a card."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{word!a}: expected UTF-8 on the command line") from None


@contextmanager
def _only(word: str) -> Iterator[None]:
    """Remove all other commands: typer builds the options of every one before it looks which is meant."""
    commands, groups = app.registered_commands, app.registered_groups
    for one in commands:
        if word == one.name or (one.callback and word == get_command_name(one.callback.__name__)):
            app.registered_commands, app.registered_groups = [one], []
    try:
        yield
    finally:
        app.registered_commands, app.registered_groups = commands, groups


def main() -> NoReturn:
    """Run the command line; every explained failure is one line on stderr and its exit code. SIGTERM ends a command as
    Ctrl-C does."""
    interrupts.watch()
    _open_standard_files()
    sys.setswitchinterval(SWITCH_S)
    atexit.register(gc.freeze)  # at the end, to look through all objects for garbage takes as long as to start
    as_json = log.wants_json(sys.argv[1:])
    try:
        _check_words(sys.argv[1:])
        with _only(next(iter(sys.argv[1:]), "")):
            code = _ended(standalone_mode=not as_json)
    except CotDistillError as error:
        log.fail(str(error), error.exit_code, as_json=as_json)
    except OSError as error:  # a full disk, a missing permission: the system's words, and which file
        if error.filename is None and not _has_directory():
            log.fail("the directory that this was started in is gone; change to another one", USAGE, as_json=as_json)
        log.fail(f"{error.filename or 'file'}: {error.strerror or error}", ERROR, as_json=as_json)
    except Exception as error:
        log.fail_unexplained(error, as_json=as_json)
    if code == INTERRUPTED:
        log.fail("interrupted", INTERRUPTED, as_json=as_json)
    sys.exit(code)


def _ended(*, standalone_mode: bool) -> int:
    """The command's exit code. Typer turns Ctrl-C into one silently, wherever the command does not."""
    try:
        code = app(standalone_mode=standalone_mode)
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:  # before or after what typer does
        code = INTERRUPTED
    return code if isinstance(code, int) else DONE
