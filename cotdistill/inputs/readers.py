"""The records of a user's file, one by one, in any format: JSONL, JSON, CSV, TSV, Parquet, Arrow or plain text."""

import io
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from cotdistill.artifacts.json_lines import BadLines, decode_lines
from cotdistill.errors import CotDistillError
from cotdistill.inputs.arrow_files import arrow_rows, parquet_rows
from cotdistill.inputs.encodings import (
    COMPRESSIONS,
    WORDS,
    check_kind,
    encoding_of,
    format_of,
    is_broken,
    open_bytes,
    open_text,
)
from cotdistill.inputs.json_files import decoded, holds_question, in_sequence, records_in, rows_of, without_nan
from cotdistill.inputs.tables import Table
from cotdistill.inputs.values import is_missing

_OF_ARROW = (".parquet", ".pq", ".arrow", ".feather")
_MARKS = b"\xef\xbb\xbf\x1e \t\r\n"


class Item(NamedTuple):
    """A raw record, and its place for messages."""

    place: str
    number: int
    fields: dict[str, Any]


class Source:
    """A file of records that can be read more than once. `known` are column names by which a table's separator is
    recognised. `notes` says what is unusual about the file once it was read."""

    def __init__(self, path: Path, known: frozenset[str] = frozenset()) -> None:
        self.path, self._known = path, known

    def items(self, bad: BadLines) -> Iterator[Item]:
        """Raises CotDistillError for a file that is not what its name says. Bad lines go to `bad`."""
        readers = {".jsonl": self._jsonl, ".ndjson": self._jsonl, ".jsonlines": self._jsonl, ".json": self._json}
        readers |= {".csv": self._cells, ".tsv": self._cells, ".txt": self._lines, ".parquet": self._parquet}
        readers |= {".pq": self._parquet, ".arrow": self._arrow, ".feather": self._arrow}
        format = format_of(self.path)
        check_kind(self.path, is_text=format == ".txt", is_table=format in _OF_ARROW)
        if format not in readers:
            compressed = ", ".join(COMPRESSIONS)
            raise CotDistillError(
                f"{self.path}: expected a name ending in {', '.join(readers)}, and {compressed} after it if compressed"
            )
        return readers[format](bad)

    @property
    def notes(self) -> list[str]:
        """The file's encoding, where it is not UTF-8, and a table's separator."""
        if format_of(self.path) in _OF_ARROW:
            return []
        notes = [f"read as {WORDS[self._encoding]}"] if self._encoding in WORDS else []
        return notes + (self._table.notes() if format_of(self.path) in (".csv", ".tsv") else [])

    @cached_property
    def _encoding(self) -> str:
        return encoding_of(self.path, by_letters=format_of(self.path) in (".csv", ".tsv", ".txt"))

    def _jsonl(self, bad: BadLines) -> Iterator[Item]:
        def refuse(number: int, line: str | bytes, problem: str) -> None:
            bad.add(self.path, number, line, problem)

        if self._encoding not in ("utf-8", "utf-8-sig"):
            with open_text(self.path, self._encoding, newline="\n") as text:
                yield from _objects((line.encode("utf-8", "surrogatepass") for line in text), refuse)
        elif content := self._in_no_lines():
            yield from self._items(content, bad)
        else:
            with open_bytes(self.path) as file:
                yield from _objects(file, refuse)

    def _json(self, bad: BadLines) -> Iterator[Item]:
        data = self._whole()
        try:
            content = decoded(data)
        except ValueError as error:
            if _holds_lines(data):
                yield from _objects(io.BytesIO(data), lambda *problem: bad.add(self.path, *problem))
                return
            try:
                content = in_sequence(data)
            except ValueError:
                raise CotDistillError(f"{self.path}: not valid JSON: {error}") from None
        yield from self._items(content, bad)

    def _whole(self) -> bytes:
        """The whole file in UTF-8."""
        with open_bytes(self.path) as file:
            data = file.read()
        if self._encoding == "utf-8":
            return data
        try:
            return data.decode(self._encoding).encode()
        except UnicodeError as error:
            raise CotDistillError(f"{self.path}: not valid {WORDS.get(self._encoding, 'UTF-8')}: {error}") from None

    def _items(self, content: Any, bad: BadLines) -> Iterator[Item]:
        records = records_in(content)
        if records is None:
            raise CotDistillError(f"{self.path}: expected a list of objects, got {type(content).__name__}")
        for number, record in enumerate(records, 1):
            for fields in rows_of(record):
                if isinstance(fields, str) and fields.strip():
                    fields = {"prompt": fields}
                if isinstance(fields, dict):
                    yield Item("item", number, fields)
                else:
                    bad.add(self.path, number, str(fields), f"expected an object, got {type(fields).__name__}")

    def _in_no_lines(self) -> list[Any] | None:
        """The content of a file that is named like JSON lines and holds JSON of another layout: a list, objects on
        several lines, or several on one. None for JSON lines, and for what is no JSON at all."""
        with open_bytes(self.path) as file:
            first = next((line for line in file if line.strip()), b"")
        try:
            if not first.strip() or isinstance(decoded(first.lstrip(_MARKS)), dict):
                return None
        except ValueError:
            pass
        try:
            found = in_sequence(self._whole())
        except ValueError:
            return None
        return found if len(found) > 1 else records_in(found[0])

    @cached_property
    def _table(self) -> Table:
        return Table(self.path, self._encoding, self._known, "\t" if format_of(self.path) == ".tsv" else ",")

    def _cells(self, bad: BadLines) -> Iterator[Item]:
        yield from (Item("line", number, fields) for number, fields in self._table.records(bad))

    def _parquet(self, bad: BadLines) -> Iterator[Item]:
        yield from (Item("row", number, fields) for number, fields in enumerate(parquet_rows(self.path), 1))

    def _arrow(self, bad: BadLines) -> Iterator[Item]:
        yield from (Item("row", number, fields) for number, fields in enumerate(arrow_rows(self.path), 1))

    def _lines(self, bad: BadLines) -> Iterator[Item]:
        with open_text(self.path, self._encoding, newline=None) as text:
            for number, line in enumerate(text, 1):
                if is_broken(line):
                    bad.add(self.path, number, line.encode("utf-8", "surrogateescape"), "not valid UTF-8")
                elif not is_missing(line):
                    if number == 1 and _is_record(line):
                        raise CotDistillError(
                            f"{self.path}:1: expected a prompt as it is, found a JSON object: name the file .jsonl"
                        )
                    yield Item("line", number, {"prompt": line.strip()})


def _objects(lines: Iterable[bytes], refuse: Callable[[int, bytes, str], None]) -> Iterator[Item]:
    numbered = decode_lines(map(without_nan, lines), dict[str, Any], refuse)
    return (Item("line", number, fields) for number, fields in numbered)


def _holds_lines(data: bytes) -> bool:
    """Whether a .json file holds JSON lines: its first line is a whole object, and another one follows."""
    first, _, rest = data.lstrip().partition(b"\n")
    try:
        return isinstance(decoded(first), dict) and not (rest.strip() and rest.lstrip()[:1] not in b"{")
    except ValueError:
        return False


def _is_record(line: str) -> bool:
    try:
        found = decoded(line.encode()) if line.lstrip().startswith("{") else None
    except ValueError:
        return False
    return isinstance(found, dict) and holds_question(found)
