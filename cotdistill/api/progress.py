"""What a program gets of a stage's progress: log records only, or what the command line shows."""

import logging

from cotdistill import progress

_WARNING = "WARNING: "


class _Logged(progress.Silent):
    """Notes go to the logger `cotdistill`. Warnings show by default, the others from level INFO on."""

    def note(self, message: str) -> None:
        level = logging.WARNING if message.startswith(_WARNING) else logging.INFO
        logging.getLogger("cotdistill").log(level, "%s", message.removeprefix(_WARNING))


_shown = False


def show_progress(shown: bool = True) -> None:
    """Show each stage's progress on stderr from now on, as the command line does, or stop showing it."""
    global _shown
    _shown = shown


def reporter() -> progress.Progress:
    return progress.for_stderr() if _shown else _Logged()
