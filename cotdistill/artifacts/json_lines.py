"""Records of JSONL files, read one by one; a line that cannot be read is an error, or set aside and counted."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self, TypeVar, cast

import jsonlines
import msgspec

from cotdistill.artifacts.files import ArtifactWriter
from cotdistill.artifacts.opening import open_input as open_input
from cotdistill.errors import CotDistillError
from cotdistill.wording import counted

T = TypeVar("T")

_MARKS = b"\xef\xbb\xbf\x1e"
"""What may begin a line besides JSON: a byte order mark, also where files were joined, and RFC 7464's record mark."""


class BadLines:
    """Takes lines that cannot be read. Each raises an error, or with `set_aside` goes to that file, which appears when
    its `writers` are committed. `skippable` is false for a file that --skip-bad does not apply to."""

    def __init__(self, set_aside: Path | None, *, skippable: bool = True) -> None:
        self.path = set_aside
        self._skippable = skippable
        self._known: set[tuple[Path, int]] = set()  # a file may be gone through more than once
        self._writer: ArtifactWriter | None = None

    @property
    def count(self) -> int:
        return len(self._known)

    def notes(self) -> list[str]:
        """A note on how many lines were set aside."""
        return [f"{counted(self.count, 'unreadable line')} set aside in {self.path}"] if self.count else []

    def add(self, path: Path, number: int, line: str | bytes, problem: str) -> None:
        if self.path is None:
            way_out = ", or pass --skip-bad to set it aside" if self._skippable else ""
            raise CotDistillError(f"{path}:{number}: {problem}. Fix the line{way_out}")
        if (path, number) in self._known:
            return
        self._known.add((path, number))
        if self._writer is None:
            self._writer = ArtifactWriter(self.path)
        text = line if isinstance(line, str) else line.decode("utf-8", "backslashreplace")
        entry = {"file": str(path), "line": number, "problem": problem, "text": text.rstrip("\n")}
        self._writer.write(entry)

    def writers(self) -> list[ArtifactWriter]:
        """The file of bad lines, for the run to publish; none where no line was bad."""
        return [self._writer] if self._writer else []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.discard()


class CountedLines(BadLines):
    """Counts bad lines and writes nothing, for a look at a file. `first` describes the first one."""

    def __init__(self) -> None:
        super().__init__(None)
        self.first: str | None = None

    def add(self, path: Path, number: int, line: str | bytes, problem: str) -> None:
        self._known.add((path, number))
        self.first = self.first or f"{path}:{number}: {problem}"


def read_records(path: Path, kind: type[T], bad: BadLines | None = None) -> Iterator[T]:
    """Yields the records of a JSONL file. A bad line's error names file, line and field."""
    for _, record in read_numbered(path, kind, bad or BadLines(None)):
        yield record


def read_numbered(path: Path, kind: type[T], bad: BadLines) -> Iterator[tuple[int, T]]:
    """Yields records with their line numbers, from 1. Empty lines and a byte order mark are skipped."""
    with open_input(path) as file:
        yield from decode_lines(file, kind, lambda number, line, problem: bad.add(path, number, line, problem))


def decode_lines(
    lines: Iterable[bytes], kind: type[T], refuse: Callable[[int, bytes, str], None], first: int = 1
) -> Iterator[tuple[int, T]]:
    """Yields the records of JSON lines with their numbers, counted from `first`. `refuse` is called with the number,
    the bytes and the problem of a line that is no record; if it does not raise, the line is left out."""
    number, line = first - 1, b""

    def counted() -> Iterator[bytes]:
        nonlocal number, line
        try:
            for line in lines:
                number += 1
                yield line.lstrip(_MARKS) if line[:1] in _MARKS else line
        except EOFError as error:  # of a compressed file that was cut off; a Reader would take it for the end
            raise OSError(str(error)) from error

    reader = jsonlines.Reader(counted(), loads=msgspec.json.Decoder(kind).decode)
    while True:
        try:
            record = cast(T, reader.read(skip_empty=True))
        except EOFError:
            return
        except (jsonlines.InvalidLineError, RecursionError) as error:
            refuse(number, line, explain(error.__cause__ or error))
        else:
            yield number, record


def explain(error: BaseException) -> str:
    """msgspec's message in our words: `teacher.model: expected str, got null`."""
    if isinstance(error, UnicodeDecodeError):
        return "not valid UTF-8"
    if isinstance(error, RecursionError):
        return "not valid JSON: nested too deeply"
    text, _, place = str(error).partition(" - at `$")
    text = re.sub(r"str matching regex .*", "an amount such as 0.0012, at least 0", text.replace("`", ""))
    text = text.replace("JSON is malformed: ", "")
    text = text[0].lower() + text[1:]
    if not isinstance(error, msgspec.ValidationError):
        return f"not valid JSON: {text}"
    place = re.sub(r"^\.|`$", "", place).removesuffix("`")
    return f"{place}: {text}" if place else text
