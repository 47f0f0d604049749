"""The commands around a recipe: `run` runs it, `status` shows its state, `push` publishes what it made."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cotdistill.cli import grid as in_grid
from cotdistill.cli import init, log
from cotdistill.cli.help import GroupedCommand, example
from cotdistill.cli.outcome import as_json_text, in_words, plan_as_json
from cotdistill.errors import CotDistillError, StoppedError, UsageError
from cotdistill.providers.environment import load_env

if TYPE_CHECKING:
    from cotdistill.recipes.recipe import Recipe


def register(app: typer.Typer) -> None:
    app.command("run", cls=GroupedCommand, epilog=example("cotdistill run recipe.toml --set generate.samples=8"))(run)
    app.command("status", cls=GroupedCommand, epilog=example("cotdistill status recipe.toml"))(status)
    app.command("init", cls=GroupedCommand, epilog=example("cotdistill init sums --task maths --yes"))(init.init)
    app.command(
        "push", cls=GroupedCommand, epilog=example("cotdistill push runs/latest/student me/sums-135m --dry-run")
    )(push)


def run(
    recipe: Annotated[Path, typer.Argument(help="A TOML file; `cotdistill init` writes one.", metavar="RECIPE")],
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Set one key to another value, for this run. Repeatable.", metavar="STAGE.KEY=VALUE"
        ),
    ] = None,
    axes: Annotated[
        list[str] | None, typer.Argument(help="Further axes of --grid.", metavar="AXIS", show_default=False)
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            "--grid",
            help="Run every combination of these values, each in a directory of its own. Repeatable.",
            metavar="STAGE.KEY=V,V…",
        ),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would run, why and at what cost; run nothing.")
    ] = False,
    keep: Annotated[
        int | None, typer.Option(help="Keep only the newest N complete runs of this recipe.", metavar="N", min=1)
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no summary; errors only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The run's record, or the plan, as JSON on stdout.")] = False,
    log_format: Annotated[
        Literal["text", "json"], typer.Option(help="Log lines where stderr is no terminal.", metavar="text|json")
    ] = "text",
) -> None:
    """Run the stages of a recipe that are new or changed; for cron."""
    from cotdistill import progress
    from cotdistill.recipes import run
    from cotdistill.recipes.seen import Seen

    if axes and not grid:
        raise UsageError(f"{axes[0]}: one recipe at a time; values to be varied go with --grid")
    if grid and keep:
        raise UsageError("--keep counts runs of a recipe, and those of a --grid all stay. Leave one of them out")
    changes = [*(change or []), *([f"keep={keep}"] if keep else [])]
    with _opened(recipe, changes) as (chosen, words):
        reporter = Seen(progress.for_stderr(quiet=quiet, log_format=log_format), words)
        try:
            if grid:
                code = in_grid.run(
                    chosen,
                    changes,
                    [*grid, *(axes or [])],
                    reporter,
                    words,
                    plan=plan,
                    as_json=as_json,
                    quiet=quiet,
                )
                raise typer.Exit(code)
            for note in chosen.notes:
                reporter.note(note)
            if plan:
                lines = [(name, words(said)) for name, said in run.plan(chosen, reporter)]
                _say_plan(chosen.shown, lines, as_json=as_json)
                return
            outcome = run.run(chosen, reporter)
        finally:
            reporter.close()
        if as_json:
            log.say_json(as_json_text(outcome, words(str(outcome.directory))))
        elif not quiet:
            for line in in_words(outcome, words(str(outcome.directory))):
                reporter.note(line)
    raise typer.Exit(outcome.exit_code)


def _say_plan(recipe: str, lines: Sequence[tuple[str, str]], *, as_json: bool) -> None:
    if as_json:
        log.say_json(plan_as_json(recipe, lines))
        return
    width = max(9, *(len(name) for name, _ in lines))
    for name, said in lines:
        log.say(f"{name:<{width}} {said}")


@contextmanager
def _opened(recipe: Path, changes: Sequence[str] = ()) -> Iterator[tuple["Recipe", Callable[[str], str]]]:
    """A checked recipe, in its own directory, and a function that turns its paths in a text into paths from the user's
    directory.

    Errors inside name the recipe as the user typed it.
    """
    from cotdistill import progress
    from cotdistill.recipes.recipe import read
    from cotdistill.recipes.seen import words_from

    if not recipe.is_file():
        raise UsageError(f"{recipe}: no such recipe; `cotdistill init` writes one")
    started_in = Path.cwd()
    os.chdir(recipe.parent)  # so that paths in it, and .env, are those beside it, wherever cron starts
    load_env()
    with progress.about(recipe=str(recipe)):
        chosen = read(Path(recipe.name), changes, shown=str(recipe))
        words = words_from(chosen, started_in)
        try:
            yield chosen, words
        except KeyboardInterrupt:
            raise StoppedError("interrupted; the same command continues") from None
        except CotDistillError as error:
            error.args = (f"{recipe}: {words(str(error))}",)
            raise
        except OSError as error:
            where = words(str(error.filename or "file"))
            raise CotDistillError(f"{recipe}: {where}: {error.strerror or error}") from None


def status(
    recipe: Annotated[Path, typer.Argument(help="A TOML file; `cotdistill init` writes one.", metavar="RECIPE")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for a monitor.")] = False,
) -> None:
    """Show a recipe's last run, what this month has cost, and what the next run would do."""
    from cotdistill import progress
    from cotdistill.recipes import status
    from cotdistill.recipes.seen import Seen

    with _opened(recipe) as (chosen, words):
        found = status.of(chosen, Seen(progress.Silent(), words))
        if as_json:
            log.say_json(status.as_json(found), words)
        else:
            log.say("\n".join(map(words, status.in_words(found))))


def push(
    directory: Annotated[Path, typer.Argument(help="A student, or a directory with rows of format.", metavar="DIR")],
    repository: Annotated[str, typer.Argument(help="Where on the hub.", metavar="OWNER/NAME")],
    public: Annotated[bool, typer.Option("--public", help="Anyone may read it (default: private).")] = False,
    message: Annotated[
        str, typer.Option(help="Message of the commit on the hub.", metavar="TEXT")
    ] = "Upload with cotdistill",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")] = False,
) -> None:
    """Send a student or a data set, with its card, to the Hugging Face hub."""
    from rich.filesize import decimal

    from cotdistill.publishing import hub

    hub.check_name(repository)
    load_env()
    upload = hub.prepare(directory, lambda words: log.say(words, err=True), dry_run=dry_run)
    kind = {"dataset": "data set"}.get(upload.kind, upload.kind)
    log.say(f"{kind}, {len(upload.files)} files, {decimal(upload.size)}:", err=True)
    for file in upload.files:
        log.say(f"  {file}", err=True)
    if not dry_run:
        log.say(hub.push(upload, repository, public=public, message=message))
