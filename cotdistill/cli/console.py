"""What all commands that call a stage share: progress, log lines and the summary."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import typer

from cotdistill import config
from cotdistill.cli import log
from cotdistill.errors import StoppedError

if TYPE_CHECKING:
    from cotdistill.artifacts import Manifest


@dataclasses.dataclass(frozen=True, kw_only=True)
class Console:
    """The options of a command's output, the same for all commands."""

    quiet: bool = config.option(False, "No progress, no summary; errors only.", panel="Log")
    verbose: bool = config.option(False, "Report each retry and each measured limit too.", panel="Log")
    json: bool = config.option(False, "The summary as JSON on stdout.", panel="Log")
    log_format: Literal["text", "json"] = config.option("text", "Log lines where stderr is no terminal.", panel="Log")


def run_stage(stage: str, console: Console, settings: Any, call: Callable[[Any], "Manifest"]) -> None:
    """Run one stage with its progress, print its summary, and exit with its code."""
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
        log.say_json(summary.as_json(manifest))
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
