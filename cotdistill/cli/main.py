"""Every command: builds a config from the options, calls one stage, prints the summary.

The options come from the fields of the configs (a file each in `config/`): a command is its arguments and its call.
"""

import atexit
import dataclasses
import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer
from typer.main import get_command_name

from cotdistill import __version__, config, plugins
from cotdistill.cli import ask, compare, doctor, listing, log, mock_teacher, recipes
from cotdistill.cli.cache import cache
from cotdistill.cli.help import GroupedCommand, WholeSentences, example
from cotdistill.cli.options import options_of
from cotdistill.errors import DONE, ERROR, CotDistillError, StoppedError, UsageError
from cotdistill.providers.environment import load_env

if TYPE_CHECKING:
    from cotdistill.artifacts import Manifest

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


SWITCH_S = 0.0005
"""After so long a thread lets another one run, not after Python's 5 ms: the store writes beside a busy event loop, and
answers keep their place in flight until they are written."""

command = partial(app.command, cls=GroupedCommand)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Console:
    """How a command talks; the same for all."""

    quiet: bool = config.option(False, "No progress, no summary; errors only.", panel="Log")
    verbose: bool = config.option(False, "Report each retry and each measured limit too.", panel="Log")
    json: bool = config.option(False, "The summary as JSON on stdout.", panel="Log")
    log_format: Literal["text", "json"] = config.option("text", "Log lines where stderr is no terminal.", panel="Log")


def _stage(stage: str, console: Console, settings: Any, call: Callable[[Any], "Manifest"]) -> None:
    """Run one stage with the right progress, print its summary, exit with its code."""
    from cotdistill import progress
    from cotdistill.artifacts import summary
    from cotdistill.recipes.packages import check_packages

    check_packages(settings)
    reporter = progress.for_stderr(quiet=console.quiet, log_format=console.log_format)
    if console.verbose:
        _log_everything(reporter.note)
    with progress.about(stage=stage):
        try:
            manifest = call(reporter)
        except KeyboardInterrupt:
            raise StoppedError("interrupted; the same command continues") from None
        finally:
            reporter.close()
        if console.log_format == "json" and not (console.quiet or console.json):
            log.summary(manifest)
    if console.json:
        log.say(summary.as_json(manifest))
    elif not console.quiet and console.log_format != "json":
        log.say(summary.as_text(manifest), err=True)
    raise typer.Exit(manifest.exit_code)


def _log_everything(note: Callable[[str], None]) -> None:
    import logging

    class Noted(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            note(record.getMessage())

    logger = logging.getLogger("cotdistill")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(Noted())


Output = Annotated[
    Path, typer.Option("-o", "--output", help="Where the result is written.", metavar="PATH", show_default=False)
]


def _argument(help: str, metavar: str, parser: Callable[[str], Path] | None = None) -> Any:
    return typer.Argument(help=help, metavar=metavar, show_default=False, parser=parser)


def _anywhere(text: str) -> Path:
    """A path of this machine or of another one."""
    if "://" not in text:
        return Path(text)
    from cotdistill.artifacts import remote

    return remote.path(text)


@command(epilog=example("cotdistill generate prompts.jsonl -o responses.jsonl --teacher mock:digit-chains --samples 4"))
@options_of(config.GenerateConfig, Console)
def generate(
    prompts: Annotated[Path, _argument("JSONL, JSON, CSV, Parquet, text, or hf:NAME:SPLIT from the hub.", "PROMPTS")],
    output: Output,
    settings: config.GenerateConfig,
    console: Console,
) -> None:
    """Ask the teacher; never pays twice for one answer."""
    from cotdistill.stages import generate as stage

    load_env()
    _stage("generate", console, settings, lambda progress: stage.run(prompts, output, settings, progress))


@command(epilog=example("cotdistill expand prompts.jsonl -o more.jsonl --teacher mock:digit-chains --count 100"))
@options_of(config.ExpandConfig, Console)
def expand(
    seeds: Annotated[Path, _argument("Prompts to start from; a document or a folder of them for document.", "SEEDS")],
    output: Output,
    settings: config.ExpandConfig,
    console: Console,
) -> None:
    """Let the teacher write new prompts after the seeds; keep those that can be answered."""
    from cotdistill.stages import expand as stage

    load_env()
    _stage("expand", console, settings, lambda progress: stage.run(seeds, output, settings, progress))


@command(
    "filter", epilog=example("cotdistill filter responses.jsonl -o kept.jsonl --verify math --select shortest:k=1")
)
@options_of(config.FilterConfig, Console)
def filter_(
    responses: Annotated[Path, _argument("What generate wrote; also s3://… and the like.", "RESPONSES", _anywhere)],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Where the kept ones are written.", metavar="PATH", parser=_anywhere),
    ],
    settings: config.FilterConfig,
    console: Console,
) -> None:
    """Keep correct responses (rejection sampling); every dropped one has its reason."""
    from cotdistill.stages import filter as stage

    if settings.explain is not None:
        from cotdistill.report.explain import explain

        log.say(explain(output, settings.explain))
        return
    load_env()
    _stage("filter", console, settings, lambda progress: stage.run(responses, output, settings, progress))


@command("format", epilog=example("cotdistill format kept.jsonl -o train.jsonl --holdout 0.1"))
@options_of(config.FormatConfig, Console)
def format_(
    kept: Annotated[Path, _argument("What filter kept.", "KEPT")],
    output: Output,
    settings: config.FormatConfig,
    console: Console,
) -> None:
    """Write training rows of problem, reasoning and answer."""
    from cotdistill.stages import format as stage

    _stage("format", console, settings, lambda progress: stage.run(kept, output, settings, progress))


@command(epilog=example("cotdistill finetune train.jsonl -o student --student tiny --max-steps 900 --batch-size 16"))
@options_of(config.FinetuneConfig, Console)
def finetune(
    train: Annotated[
        Path, _argument("Rows that format wrote, or what filter kept; prompts with --on-policy.", "TRAIN")
    ],
    output: Output,
    settings: config.FinetuneConfig,
    console: Console,
) -> None:
    """Fine-tune a small open model on the rows (SFT on the completion only)."""
    from cotdistill.stages import finetune as stage

    if stage.is_helper():
        raise typer.Exit(DONE if stage.help_first(output, settings) else ERROR)
    _stage("finetune", console, settings, lambda progress: stage.run(train, output, settings, progress))


@command(epilog=example("cotdistill evaluate heldout.jsonl -o scores.json --student student --baseline smollm2-135m"))
@options_of(config.EvaluateConfig, Console)
def evaluate(
    prompts: Annotated[Path, _argument("Held-out prompts with references.", "PROMPTS")],
    output: Output,
    settings: config.EvaluateConfig,
    console: Console,
) -> None:
    """Ask a student held-out prompts and score its answers with the verifiers of filter."""
    from cotdistill.stages import evaluate as stage

    load_env()
    _stage("evaluate", console, settings, lambda progress: stage.run(prompts, output, settings, progress))


command(epilog=example('cotdistill ask student "What is 12 + 30?" --beside tiny'))(ask.ask)


@command(epilog=example("cotdistill export student -o student.gguf --to gguf --quantize q8_0"))
@options_of(config.ExportConfig, Console)
def export(
    student: Annotated[str, _argument("A directory that finetune wrote, or any other student.", "STUDENT_DIR")],
    output: Output,
    settings: config.ExportConfig,
    console: Console,
) -> None:
    """Write a student as one file for llama.cpp and Ollama, read it back and ask it."""
    from cotdistill.stages import export as stage

    _stage("export", console, settings, lambda progress: stage.run(student, output, settings, progress))


recipes.register(app)


command(epilog=example("cotdistill compare runs --csv runs.csv --html runs.html"))(compare.compare)


@command(epilog=example("cotdistill report runs/latest -o report.html"))
def report(
    run_dir: Annotated[
        Path, _argument("A run's directory, such as runs/latest or demo, or a folder of runs.", "RUN_DIR")
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
        int, typer.Option(help="Seed of the problems, the order of rows and the students.", metavar="N")
    ] = 0,
    problems: Annotated[int, typer.Option(help="Training problems.", metavar="N")] = 3000,
    steps: Annotated[int, typer.Option(help="Training steps of each student.", metavar="N")] = 1200,
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
    what: Annotated[str, _argument(f"One of {', '.join(listing.KINDS)}.", "WHAT")] = "",
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


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _check_words(words: Sequence[str]) -> None:
    """Whatever is typed may come to stand in a manifest or a card, which are UTF-8: said before anything is paid."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{word!a}: expected UTF-8 on the command line") from None


@contextmanager
def _only(word: str) -> Iterator[None]:
    """Without the other commands: typer builds the options of every one before it looks which is meant."""
    commands, groups = app.registered_commands, app.registered_groups
    for one in commands:
        if word == one.name or (one.callback and word == get_command_name(one.callback.__name__)):
            app.registered_commands, app.registered_groups = [one], []
    try:
        yield
    finally:
        app.registered_commands, app.registered_groups = commands, groups


def main() -> NoReturn:
    """Run the command line; every explained failure is one line on stderr and its exit code. SIGTERM, which a service
    manager sends, ends a command as Ctrl-C does."""
    sys.setswitchinterval(SWITCH_S)
    atexit.register(gc.freeze)  # at the end, to look through all objects for garbage takes as long as to start
    as_json = log.wants_json(sys.argv[1:])
    if threading.current_thread() is threading.main_thread():  # no other may
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        _check_words(sys.argv[1:])
        with _only(next(iter(sys.argv[1:]), "")):
            code = app(standalone_mode=not as_json)
    except CotDistillError as error:
        log.fail(str(error), error.exit_code, as_json=as_json)
    except OSError as error:  # a full disk, a missing permission: the system's words, and which file
        log.fail(f"{error.filename or 'file'}: {error.strerror or error}", ERROR, as_json=as_json)
    except Exception as error:
        log.fail_unexplained(error, as_json=as_json)
    sys.exit(code if isinstance(code, int) else DONE)
