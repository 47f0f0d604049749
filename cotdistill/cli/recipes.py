"""The commands that live with a data set for a year: `run` a recipe, `init` one, `push` what came of it."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from cotdistill.cli.help import GroupedCommand, example
from cotdistill.cli.options import load_env
from cotdistill.cli.outcome import as_json_text, exit_code, in_words
from cotdistill.errors import CotDistillError, StoppedError, UsageError


def register(app: typer.Typer) -> None:
    app.command("run", cls=GroupedCommand, epilog=example("cotdistill run recipe.toml --set generate.samples=8"))(run)
    app.command("init", cls=GroupedCommand, epilog=example("cotdistill init sums --task maths --yes"))(init)
    app.command(
        "push", cls=GroupedCommand, epilog=example("cotdistill push runs/latest/student me/sums-135m --dry-run")
    )(push)


def run(
    recipe: Annotated[Path, typer.Argument(help="A TOML file; `cotdistill init` writes one.", metavar="RECIPE")],
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another value for one key. Repeatable.", metavar="STAGE.KEY=VALUE"),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say what would run, why and at what cost; do nothing.")] = False,
    keep: Annotated[int | None, typer.Option(help="Keep the newest N runs only.", metavar="N", min=1)] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no summary; errors only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The run's record as JSON on stdout.")] = False,
    log_format: Annotated[
        Literal["text", "json"], typer.Option(help="Log lines where stderr is no terminal.", metavar="text|json")
    ] = "text",
) -> None:
    """The whole chain of a recipe, only what is new or changed; for cron."""
    from cotdistill import progress
    from cotdistill.recipes import run
    from cotdistill.recipes.recipe import read
    from cotdistill.recipes.seen import Seen, words_from

    if not recipe.is_file():
        raise UsageError(f"{recipe}: no such recipe; `cotdistill init` writes one")
    started_in = Path.cwd()
    os.chdir(recipe.parent)  # so that paths in it, and .env, are those beside it, wherever cron starts
    load_env()
    changes = [*(change or []), *([f"keep={keep}"] if keep else [])]
    with progress.about(recipe=str(recipe)):
        chosen = read(Path(recipe.name), changes, shown=str(recipe))
        words = words_from(chosen, started_in)
        reporter = Seen(progress.for_stderr(quiet=quiet, log_format=log_format), words)
        try:
            if plan:
                for stage, said in run.plan(chosen, reporter):
                    typer.echo(f"{stage:<9} {words(said)}")
                return
            outcome = run.run(chosen, reporter)
        except KeyboardInterrupt:
            raise StoppedError("interrupted; the same command continues") from None
        except CotDistillError as error:
            error.args = (f"{recipe}: {words(str(error))}",)
            raise
        except OSError as error:
            where = words(str(error.filename or "file"))
            raise CotDistillError(f"{recipe}: {where}: {error.strerror or error}") from None
        finally:
            reporter.close()
        if as_json:
            typer.echo(as_json_text(outcome, words(str(outcome.directory))))
        elif not quiet:
            for line in in_words(outcome, words(str(outcome.directory))):
                reporter.note(line)
    raise typer.Exit(exit_code(outcome))


def init(
    directory: Annotated[Path, typer.Argument(help="Where recipe, prompts and .env go.", metavar="DIR")] = Path(),
    task: Annotated[
        str | None, typer.Option(help="maths, choice, classification, code or judge.", metavar="NAME")
    ] = None,
    teacher: Annotated[str | None, typer.Option(help="Who answers.", metavar="PROVIDER:MODEL")] = None,
    student: Annotated[str | None, typer.Option(help="What to start from.", metavar="ID")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take the defaults.")] = False,
) -> None:
    """Write a commented recipe, a .env and sample prompts."""
    from cotdistill.recipes import starter

    def asked(given: str | None, question: str, default: str) -> str:
        return given or (default if yes else str(typer.prompt(question, default=default)))

    task = asked(task, f"What is it about ({', '.join(starter.TASKS)})", starter.TASKS[0])
    starter.check(task)
    teacher = asked(teacher, "Who answers (PROVIDER:MODEL)", starter.TEACHER)
    student = asked(student, "What is trained (tiny, smollm2-135m, a hub id, a directory)", starter.STUDENT)
    for line in starter.write(directory, task, teacher, student):
        typer.echo(line)


def push(
    directory: Annotated[Path, typer.Argument(help="A student, or a directory with rows of format.", metavar="DIR")],
    repository: Annotated[str, typer.Argument(help="Where on the hub.", metavar="OWNER/NAME")],
    public: Annotated[bool, typer.Option("--public", help="Everybody may read it (default: private).")] = False,
    message: Annotated[str, typer.Option(help="Of the commit.", metavar="TEXT")] = "Upload with cotdistill",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, send nothing.")] = False,
) -> None:
    """Send a student or a data set, with its card, to the Hugging Face hub."""
    from cotdistill.publishing import hub

    load_env()
    parcel = hub.pack(directory, lambda words: typer.echo(words, err=True))
    kind = {"dataset": "data set"}.get(parcel.kind, parcel.kind)
    typer.echo(f"{kind}, {len(parcel.files)} files, {parcel.size / 1e6:.1f} MB:", err=True)
    for file in parcel.files:
        typer.echo(f"  {file}", err=True)
    if not dry_run:
        typer.echo(hub.push(parcel, repository, public=public, message=message))
