"""Progress of a stage: a bar on a terminal, plain or JSON lines otherwise.

Everything goes to stderr; stdout belongs to pipes. A stage sees only the Progress protocol.
"""

import json
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TextIO

from cotdistill.masking import masked_output, masked_value, spelled_out

LINE_EVERY_S = 10.0
"""Seconds between two progress lines where stderr is not a terminal, so that a cron log stays short."""


_about: ContextVar[dict[str, str] | None] = ContextVar("about", default=None)
"""Fields of every JSON line, such as the stage."""


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """JSON lines written inside this block carry these fields, such as the stage, the recipe and the run.

    After an exception they stay: the line that reports it then says where it happened.
    """
    token = _about.set({**(_about.get() or {}), **fields})
    yield
    _about.reset(token)


def json_line(message: str, *, level: str, **fields: Any) -> str:
    """One log line: time, level, stage, message, and the fields that have a value and were not set for all lines."""
    entry: dict[str, Any] = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "level": level}
    entry |= _about.get() or {}
    entry["message"] = message.strip()
    more = {key: value for key, value in fields.items() if value not in (None, "") and key not in entry}
    return masked_json(entry | more)


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with `change` applied to each of its texts, names included."""
    if isinstance(value, dict):
        return {change(name): each_text(one, change) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [each_text(one, change) for one in value]
    return change(value) if isinstance(value, str) else value


def masked_json(value: Any, separators: tuple[str, str] = (", ", ": ")) -> str:
    """`value` as JSON on one line, masked as whatever goes to the terminal, each text by itself: in the line as it is
    written the letter of an escape, as in `\\n`, would count as one of the text's and be cut out with what follows."""
    return spelled_out(json.dumps(each_text(value, masked_value), ensure_ascii=False, separators=separators))


class Progress(Protocol):
    def begin(self, label: str, total: int | None) -> None:
        """Start a new bar; `total` is None where it is not known."""

    def update(self, done: int, detail: str = "") -> None:
        """`done` of the total so far; `detail` is the stage's own figure (cost, kept, loss)."""

    def note(self, message: str) -> None:
        """Print a line that stays."""

    def close(self) -> None: ...


class Passed:
    """Passes everything on to another progress; a base for those that change some of it."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def begin(self, label: str, total: int | None) -> None:
        self.progress.begin(label, total)

    def update(self, done: int, detail: str = "") -> None:
        self.progress.update(done, detail)

    def note(self, message: str) -> None:
        self.progress.note(message)

    def close(self) -> None:
        self.progress.close()


class Silent:
    def begin(self, label: str, total: int | None) -> None: ...
    def update(self, done: int, detail: str = "") -> None: ...
    def note(self, message: str) -> None: ...
    def close(self) -> None: ...


class Rate:
    """How much is done a second, counted from the first item: what comes before it (loading a model, a first
    connection) happens once."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def after(self, done: int) -> float | None:
        """None until a second is done, for by one alone the rest would seem to take hours."""
        now = time.monotonic()
        if done and self._first is None:
            self._first = now, done
        if self._first is None or done <= self._first[1]:
            return None
        began, had = self._first
        return (done - had) / max(now - began, 1e-3)


def _speed(rate: float) -> str:
    """Of what takes seconds, the seconds: 0.1/s may be anything from 7 to 20 of them."""
    return f"{rate:.1f}/s" if rate >= 1 else f"{1 / rate:.1f} s each"


class Lines:
    """Prints one line every ten seconds; with `as_json`, one JSON object a line."""

    def __init__(self, stream: TextIO, *, as_json: bool = False) -> None:
        self._stream, self._as_json = stream, as_json
        self._label = ""
        self._total: int | None = None
        self._due = 0.0
        self._rate = Rate()

    def begin(self, label: str, total: int | None) -> None:
        self._label, self._total = label, total
        self._due = time.monotonic() + LINE_EVERY_S
        self._rate = Rate()

    def update(self, done: int, detail: str = "") -> None:
        now = time.monotonic()
        rate = self._rate.after(done)
        if now < self._due:
            return
        self._due = now + LINE_EVERY_S
        total = self._total if self._total is None else max(self._total, done)  # what was to do may turn out more
        left_s = round((total - done) / rate) if total is not None and rate else None
        of = f"/{total}" if total is not None else ""
        speed = f", {_speed(rate)}" if rate else ""
        left = f", {timedelta(seconds=left_s)} left" if left_s is not None else ""
        self._write(
            f"{self._label}: {done}{of}{speed}{left}  {detail}".rstrip(),
            stage=self._label,
            task=self._label,
            done=done,
            total=total,
            per_s=round(rate, 2) if rate is not None else None,
            left_s=left_s,
            detail=detail,
        )

    def note(self, message: str) -> None:
        self._write(message)

    def close(self) -> None: ...

    def _write(self, message: str, **fields: Any) -> None:
        if self._as_json:
            warns, text = message.startswith("WARNING: "), message.removeprefix("WARNING: ")
            line = json_line(text, level="warning" if warns else "info", **fields)
        else:
            line = masked_output(message)
        with suppress(OSError):  # a full disk, a pipe without a reader: what is paid for does not stop for its log
            self._stream.write(line + "\n")
            self._stream.flush()


class Bar:
    """One live line on a terminal of any width: what runs, how far it is, how long it will take, the stage's own
    figure. It leaves nothing behind; what is to stay is a note."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress
        from rich.table import Column

        console = Console(stderr=True)
        narrow = console.width < 100
        self._bar = RichProgress(
            TextColumn("{task.description}", markup=False, table_column=_cell(max_width=28 if narrow else 44)),
            BarColumn(bar_width=10 if narrow else 24),
            TextColumn("{task.fields[count]}", table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[left]}", table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[detail]}", markup=False, table_column=_cell(ratio=1)),
            console=console,
            transient=True,
            expand=True,
        )
        self._task: Any = None
        self._rate = Rate()

    def begin(self, label: str, total: int | None) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._bar.start()
        self._rate = Rate()
        self._task = self._bar.add_task(label, total=total, count="", left="", detail="")

    def update(self, done: int, detail: str = "") -> None:
        total = self._bar.tasks[0].total
        total = total if total is None else max(total, done)
        of = "" if total is None else f"/{int(total):,}"
        rate = self._rate.after(done)
        left = f"{timedelta(seconds=round((total - done) / rate))} left" if rate and total is not None else ""
        self._bar.update(self._task, completed=done, total=total, count=f"{done:,}{of}", left=left, detail=detail)

    def note(self, message: str) -> None:
        width = self._bar.console.width
        lines = [line for part in masked_output(message).split("\n") for line in _wrapped(part, width)]
        with suppress(OSError):  # the terminal is gone
            self._bar.console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        with suppress(OSError):
            self._bar.stop()


def _cell(**more: Any) -> Any:
    """A column of the bar that is cut short rather than wrapped."""
    from rich.table import Column

    return Column(no_wrap=True, overflow="ellipsis", **more)


def _wrapped(line: str, width: int) -> list[str]:
    """Text broken between words only, so that a path longer than a line can still be copied whole."""
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    ) or [""]


def for_stderr(*, quiet: bool = False, log_format: str = "text") -> Progress:
    """The progress that fits what stderr is."""
    if quiet:
        return Silent()
    if log_format == "json":
        return Lines(sys.stderr, as_json=True)
    return Bar() if sys.stderr.isatty() else Lines(sys.stderr)
