"""Records of JSONL files, read one by one; a line that cannot be read is an error, or set aside and counted."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import jsonlines
import msgspec

from cotdistill.errors import CotDistillError

T = TypeVar("T")


def open_input(path: Path) -> Any:
    """Open for reading bytes; a missing or unreadable file is one clear line."""
    try:
        return path.open("rb")
    except OSError as error:
        raise CotDistillError(f"{path}: cannot read it: {error.strerror}") from None


class BadLines:
    """Where lines that cannot be read go: an error, or with `set_aside` a file that counts them."""

    def __init__(self, set_aside: Path | None) -> None:
        self.path = set_aside
        self._known: set[tuple[Path, int]] = set()  # a file may be gone through more than once
        self._file: Any = None

    @property
    def count(self) -> int:
        return len(self._known)

    def notes(self) -> list[str]:
        """What to tell the person at the end."""
        return [f"{self.count} unreadable lines set aside in {self.path}"] if self.count else []

    def add(self, path: Path, number: int, line: str | bytes, problem: str) -> None:
        if self.path is None:
            raise CotDistillError(f"{path}:{number}: {problem}. Mend the line, or pass --skip-bad to set it aside")
        if (path, number) in self._known:
            return
        self._known.add((path, number))
        if self._file is None:
            self._file = self.path.open("wb")
        text = line if isinstance(line, str) else line.decode("utf-8", "backslashreplace")
        entry = {"file": str(path), "line": number, "problem": problem, "text": text.rstrip("\n")}
        self._file.write(msgspec.json.encode(entry) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        elif self.path is not None:
            self.path.unlink(missing_ok=True)  # of an earlier run


def read_records(path: Path, kind: type[T], bad: BadLines | None = None) -> Iterator[T]:
    """Stream the records of a JSONL file; a bad line names file, line and field."""
    for _, record in read_numbered(path, kind, bad or BadLines(None)):
        yield record


def read_numbered(path: Path, kind: type[T], bad: BadLines) -> Iterator[tuple[int, T]]:
    """The same with line numbers, from 1. Empty lines and a byte order mark are passed over."""
    with open_input(path) as file:
        yield from decode_lines(file, kind, lambda number, line, problem: bad.add(path, number, line, problem))


def decode_lines(
    lines: Iterable[bytes], kind: type[T], tell: Callable[[int, str | bytes, str], None], first: int = 1
) -> Iterator[tuple[int, T]]:
    """Records of JSON lines with their numbers, counted from `first`; a bad one is told to `tell` and left out."""
    decoder = msgspec.json.Decoder(kind)
    number = first - 1

    def decode(line: str | bytes) -> T:
        try:
            return decoder.decode(line)
        except msgspec.DecodeError as error:
            raise ValueError(explain(error)) from None

    def counted() -> Iterator[bytes]:
        nonlocal number
        for line in lines:
            number += 1
            yield line

    reader = jsonlines.Reader(counted(), loads=decode)
    while True:
        try:
            record = reader.read(skip_empty=True)
        except EOFError:
            return
        except jsonlines.InvalidLineError as error:
            problem = "not valid UTF-8" if isinstance(error.line, bytes) else str(error.__cause__ or error)
            tell(number, error.line, problem)
        else:
            yield number, cast(T, record)


def explain(error: msgspec.DecodeError) -> str:
    """msgspec's words in ours: `teacher.model: expected str, got null`."""
    text, _, place = str(error).partition(" - at `$")
    text = text.replace("`", "").replace("JSON is malformed: ", "")
    text = text[0].lower() + text[1:]
    if not isinstance(error, msgspec.ValidationError):
        return f"not valid JSON: {text}"
    place = re.sub(r"^\.|`$", "", place).removesuffix("`")
    return f"{place}: {text}" if place else text
