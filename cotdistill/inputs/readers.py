"""The records of a person's file, one by one, whatever its format: JSONL, JSON, CSV, TSV, Parquet or plain text."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cotdistill.artifacts.json_lines import BadLines, decode_lines, open_input
from cotdistill.errors import CotDistillError
from cotdistill.inputs.encodings import COMPRESSIONS, WORDS, encoding_of, format_of, is_broken, open_bytes, open_text
from cotdistill.inputs.values import is_missing

csv.field_size_limit(1 << 27)  # a worked solution in a cell is longer than csv's default of 128 kB

SEPARATORS = {",": "a comma", ";": "';'", "\t": "a tab", "|": "'|'"}
_NOT_A_NUMBER = ("nan", "NaN")
"""What pandas may write into a cell that is empty."""


class Item(NamedTuple):
    """One raw record and where it stands, for messages."""

    place: str
    number: int
    fields: dict[str, Any]


class Source:
    """A file of records that can be gone through more than once; `known` are column names that a table's separator
    is recognised by. `notes` says what is unusual about it once it has been read."""

    def __init__(self, path: Path, known: frozenset[str] = frozenset()) -> None:
        self.path, self._known = path, known

    def items(self, bad: BadLines) -> Iterator[Item]:
        """Raises CotDistillError for a file that cannot be read as what its name says; bad lines go to `bad`."""
        readers = {".jsonl": self._jsonl, ".ndjson": self._jsonl, ".json": self._json, ".csv": self._table}
        readers |= {".tsv": self._table, ".txt": self._lines, ".parquet": self._parquet}
        format = format_of(self.path)
        if format not in readers:
            compressed = ", ".join(COMPRESSIONS)
            raise CotDistillError(
                f"{self.path}: expected a name ending in {', '.join(readers)}, and {compressed} after it if compressed"
            )
        return readers[format](bad)

    @property
    def notes(self) -> list[str]:
        """What was found out about the file: its encoding, where that is not UTF-8, and a table's separator."""
        if format_of(self.path) == ".parquet":
            return []
        notes = [f"read as {WORDS[self._encoding]}"] if self._encoding in WORDS else []
        if format_of(self.path) in (".csv", ".tsv") and self._separator != self._usual:
            notes.append(f"cells separated by {SEPARATORS[self._separator]}")
        return notes

    @cached_property
    def _encoding(self) -> str:
        return encoding_of(self.path, by_letters=format_of(self.path) in (".csv", ".tsv", ".txt"))

    def _jsonl(self, bad: BadLines) -> Iterator[Item]:
        def refuse(number: int, line: str | bytes, problem: str) -> None:
            if line.lstrip()[:1] in ("[", b"[") and number == 1:
                problem += ". A JSON list of objects belongs into a file that ends in .json"
            bad.add(self.path, number, line, problem)

        if self._encoding in ("utf-8", "utf-8-sig"):
            with open_bytes(self.path) as file:
                yield from _objects(file, refuse)
        else:
            with open_text(self.path, self._encoding, newline="\n") as text:
                yield from _objects((line.encode("utf-8", "surrogatepass") for line in text), refuse)

    def _json(self, bad: BadLines) -> Iterator[Item]:
        with open_bytes(self.path) as file:
            data = file.read()
        if self._encoding != "utf-8":
            try:
                data = data.decode(self._encoding).encode()
            except UnicodeError as error:
                raise CotDistillError(f"{self.path}: not valid {WORDS.get(self._encoding, 'UTF-8')}: {error}") from None
        try:
            content = _decoded(data)
        except ValueError as error:
            if _holds_lines(data):
                yield from _objects(io.BytesIO(data), lambda *problem: bad.add(self.path, *problem))
                return
            raise CotDistillError(f"{self.path}: not valid JSON: {error}") from None
        for number, fields in enumerate(self._records(content), 1):
            if isinstance(fields, dict):
                yield Item("item", number, fields)
            else:
                bad.add(self.path, number, str(fields), f"expected an object, got {type(fields).__name__}")

    def _records(self, content: Any) -> list[Any]:
        """The list of records: the whole content, or the one list of objects inside it, as in `{"data": […]}`."""
        if isinstance(content, list):
            return content
        if isinstance(content, dict):
            lists = [one for one in content.values() if isinstance(one, list) and one and isinstance(one[0], dict)]
            if len(lists) == 1 and not {"messages", "conversations"} & set(content):
                return lists[0]
        raise CotDistillError(f"{self.path}: expected a list of objects, got {type(content).__name__}")

    @property
    def _usual(self) -> str:
        return "\t" if format_of(self.path) == ".tsv" else ","

    @cached_property
    def _separator(self) -> str:
        """The one that makes most known columns of the header, else most columns, else the usual one."""
        with open_text(self.path, self._encoding, newline="") as text:
            header = next((line for line in text if line.strip()), "")
        if header.lower().startswith("sep=") and header.strip()[4:] in SEPARATORS:  # Excel's way to say it
            return header.strip()[4:]

        def rank(separator: str) -> tuple[int, int, bool]:
            try:
                cells = next(csv.reader([header], delimiter=separator, skipinitialspace=True), [])
            except csv.Error:
                return 0, 0, False
            known = sum(" ".join(cell.split()).casefold().replace(" ", "_") in self._known for cell in cells)
            return known, len(cells), separator == self._usual

        return max(SEPARATORS, key=rank)

    def _table(self, bad: BadLines) -> Iterator[Item]:
        with open_text(self.path, self._encoding, newline="") as text:
            rows = self._rows(text)
            header = next(rows, None)
            if header and header[1][0].lower().startswith("sep="):
                header = next(rows, None)
            if header is None:
                return
            names = self._header(*header)
            for number, cells in rows:
                if any(map(is_broken, cells)):
                    bad.add(self.path, number, str(cells), "not valid UTF-8")
                elif any(cells[len(names) :]):
                    bad.add(self.path, number, str(cells), "more cells than the header has columns")
                else:
                    pairs = zip(names, cells, strict=False)
                    yield Item("line", number, {name: None if cell in _NOT_A_NUMBER else cell for name, cell in pairs})

    def _header(self, number: int, names: list[str]) -> list[str]:
        names = [name.strip() for name in names]
        for name in names:
            if name and names.count(name) > 1:
                raise CotDistillError(f"{self.path}:{number}: two columns are named {name!r}; rename one")
        return names

    def _rows(self, text: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Each row that is not blank, with the line on which it begins."""
        reader = csv.reader(text, delimiter=self._separator, strict=True, skipinitialspace=True)
        while True:
            begins = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                problem = str(error)
                if "unexpected end of data" in problem or "expected after" in problem:
                    problem = (
                        "a quote that opens here is not closed where its cell ends; a quote inside quotes is doubled"
                    )
                raise CotDistillError(f"{self.path}:{begins}: not valid CSV: {problem}") from None
            if any(cell.strip() for cell in cells):
                yield begins, cells

    def _parquet(self, bad: BadLines) -> Iterator[Item]:
        try:
            from pyarrow import ArrowException, parquet  # type: ignore[import-untyped]
        except ImportError:
            raise CotDistillError(
                f"{self.path}: Parquet needs the extra train: pip install 'cotdistill[train]'"
            ) from None
        open_input(self.path).close()
        number = 0
        try:
            with parquet.ParquetFile(self.path) as file:
                for batch in file.iter_batches(1_000):
                    for fields in batch.to_pylist():
                        number += 1
                        yield Item("row", number, fields)
        except (ArrowException, OSError) as error:
            raise CotDistillError(f"{self.path}: not a Parquet file: {error}") from None

    def _lines(self, bad: BadLines) -> Iterator[Item]:
        with open_text(self.path, self._encoding, newline=None) as text:
            for number, line in enumerate(text, 1):
                if is_broken(line):
                    bad.add(self.path, number, line.encode("utf-8", "surrogateescape"), "not valid UTF-8")
                elif not is_missing(line):
                    yield Item("line", number, {"prompt": line.strip()})


def _objects(lines: Iterable[bytes], refuse: Callable[[int, bytes, str], None]) -> Iterator[Item]:
    numbered = decode_lines(map(_without_nan, lines), dict[str, Any], refuse)
    return (Item("line", number, fields) for number, fields in numbered)


def _without_nan(line: bytes) -> bytes:
    """Python writes NaN for a missing number, which is no JSON: null instead."""
    if b"NaN" not in line and b"Infinity" not in line:
        return line
    try:
        return msgspec.json.encode(_decoded(line))
    except (ValueError, TypeError):
        return line  # the one who reads it says what is wrong


def _decoded(data: bytes) -> Any:
    """JSON, and Python's NaN as null. Raises ValueError in msgspec's words."""
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise ValueError("too deeply nested") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if b"NaN" not in data and b"Infinity" not in data:
            raise ValueError(str(error)) from None
        problem = str(error)
    try:
        return json.loads(data, parse_constant=lambda word: None if word == "NaN" else word)
    except (ValueError, RecursionError):
        raise ValueError(problem) from None


def _holds_lines(data: bytes) -> bool:
    """Whether a .json file is one of JSON lines: its first line is an object by itself."""
    first = data.lstrip().partition(b"\n")[0]
    try:
        return isinstance(_decoded(first), dict)
    except ValueError:
        return False
