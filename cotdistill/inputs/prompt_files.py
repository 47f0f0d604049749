"""People's own prompt files -> Prompt records: JSONL, JSON, CSV, Parquet or text, usual column names recognised.

The first item decides which columns hold the question and the reference; `Columns.describe` says so to the
person. Files stream, except .json.
"""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cotdistill.answers.extract import cut_reference
from cotdistill.artifacts.json_lines import BadLines, explain, open_input, read_numbered
from cotdistill.errors import CotDistillError
from cotdistill.records import Message, Prompt

PROMPT_FIELDS = ("messages", "prompt", "question", "problem", "instruction", "input")
REFERENCE_FIELDS = ("reference", "answer", "solution", "final_answer")
_KEPT_AS_IS = ("id", "verifier", "tags")

csv.field_size_limit(1 << 27)  # a worked solution in a cell is longer than csv's default of 128 kB


class Item(NamedTuple):
    """One raw record and where it stands, for messages."""

    place: str
    number: int
    fields: dict[str, Any]


@dataclass(frozen=True)
class Columns:
    """Which column holds what."""

    prompt: str
    reference: str | None
    ignored: tuple[str, ...]

    def describe(self) -> str:
        ignored = f"; not used: {', '.join(self.ignored)}" if self.ignored else ""
        reference = f"reference from {self.reference!r}" if self.reference else "no reference"
        return f"question from {self.prompt!r}, {reference}{ignored}"


class PromptFile:
    """A file of prompts that can be read more than once. `columns` is known after the first prompt."""

    def __init__(
        self,
        path: Path,
        *,
        prompt_field: str | None = None,
        reference_field: str | None = None,
        limit: int | None = None,
        bad: BadLines | None = None,
    ) -> None:
        self.path, self.limit = path, limit
        self.columns: Columns | None = None
        self.repeated = 0
        self._wanted = (prompt_field, reference_field)
        self._bad = bad or BadLines(None)

    def __iter__(self) -> Iterator[Prompt]:
        """Prompts in file order, each id once.

        The same prompt twice is given once and counted in `repeated`. Raises CotDistillError for a line that is
        no prompt, and for one id with two contents, naming both lines.
        """
        seen: dict[int, int] = {}  # hashes: of a million ids and contents, kept whole, 300 MB would stay
        self.repeated = 0
        for item in _items(self.path, self._bad):
            if len(seen) == self.limit:
                return
            try:
                prompt = self._prompt(item)
            except ValueError as error:
                self._bad.add(self.path, item.number, msgspec.json.encode(item.fields).decode(), str(error))
                continue
            identity, content, asked = hash(prompt.id), hash(msgspec.json.encode(prompt)), len(seen)
            if seen.setdefault(identity, content) != content:
                problem = (
                    f"id {prompt.id!r} stands on {self._first_place(prompt.id)} already, with another content. "
                    f"Give each prompt its own id, or leave ids out"
                )
                self._bad.add(self.path, item.number, msgspec.json.encode(item.fields).decode(), problem)
            elif len(seen) > asked:
                yield prompt
            else:
                self.repeated += 1
        if not seen:
            raise CotDistillError(f"{self.path}: no prompts in it")

    def _first_place(self, identity: str) -> str:
        """Where the file has an id first: "line 3"."""
        items = _items(self.path, self._bad)
        return next(f"{item.place} {item.number}" for item in items if str(item.fields.get("id")) == identity)

    def _prompt(self, item: Item) -> Prompt:
        if self.columns is None:
            self.columns = _recognise(self.path, item, *self._wanted)
        fields, columns = item.fields, self.columns
        if fields.get(columns.prompt) in (None, "", []):
            raise ValueError(f"{columns.prompt}: expected a question, got nothing")
        reference = fields.get(columns.reference) if columns.reference else None
        content = {
            "messages": _messages(fields, columns.prompt),
            "reference": None if reference in (None, "") else cut_reference(_text(reference, columns.reference)),
            "verifier": fields.get("verifier") or None,
            "tags": _tags(fields.get("tags")),
        }
        identity = fields.get("id")
        if identity in (None, ""):
            identity = hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:16]
        try:
            return msgspec.convert({"id": str(identity), **content}, Prompt)
        except msgspec.ValidationError as error:
            raise ValueError(explain(error)) from None


def _recognise(path: Path, item: Item, prompt: str | None, reference: str | None) -> Columns:
    for name, option in ((prompt, "--prompt-field"), (reference, "--reference-field")):
        if name is not None and name not in item.fields:
            found = ", ".join(item.fields)
            raise CotDistillError(f"{path}:{item.number}: no column {name!r} ({option}); its columns are: {found}")
    prompt = prompt or next((name for name in PROMPT_FIELDS if name in item.fields), None)
    if prompt is None:
        raise CotDistillError(
            f"{path}:{item.number}: no question: expected one of {', '.join(PROMPT_FIELDS)}, found "
            f"{', '.join(item.fields) or 'no columns'}. Name the column with --prompt-field"
        )
    reference = reference or next((name for name in REFERENCE_FIELDS if name in item.fields), None)
    used = {prompt, reference, *_KEPT_AS_IS, *(("input",) if prompt == "instruction" else ())}
    return Columns(prompt, reference, tuple(name for name in item.fields if name not in used))


def _messages(fields: dict[str, Any], column: str) -> Any:
    value = fields[column]
    if isinstance(value, list) and (column == "messages" or all(isinstance(turn, dict) for turn in value)):
        turns = [turn.get("role") for turn in value if isinstance(turn, dict)]
        if "user" not in turns or turns[-1] != "user":
            raise ValueError(f"{column}: expected turns that end with a user's, got roles {turns}")
        return value
    text = _text(value, column)
    if column == "instruction" and fields.get("input"):  # the Alpaca layout
        text = f"{text}\n\n{_text(fields['input'], 'input')}"
    return [Message(role="user", content=text)]


def _text(value: Any, column: str | None) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{column}: expected text, got {type(value).__name__}")
    return str(value)


def _tags(value: Any) -> Any:
    """Tags are text by text; a number or a boolean in somebody's file becomes its text."""
    if isinstance(value, dict):
        return {
            key: text if isinstance(text, str) else msgspec.json.encode(text).decode() for key, text in value.items()
        }
    return value or None


def _items(path: Path, bad: BadLines) -> Iterator[Item]:
    readers = {".jsonl": _jsonl, ".ndjson": _jsonl, ".json": _json, ".csv": _csv, ".tsv": _csv, ".txt": _lines}
    readers[".parquet"] = _parquet
    if path.suffix.lower() not in readers:
        raise CotDistillError(f"{path}: expected a name ending in {', '.join(readers)}")
    return readers[path.suffix.lower()](path, bad)


def _jsonl(path: Path, bad: BadLines) -> Iterator[Item]:
    for number, fields in read_numbered(path, dict[str, Any], bad):
        yield Item("line", number, fields)


def _json(path: Path, bad: BadLines) -> Iterator[Item]:
    with open_input(path) as file:
        try:
            items = msgspec.json.decode(file.read())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CotDistillError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(items, list):
        raise CotDistillError(f"{path}: expected a list of objects, got {type(items).__name__}")
    for number, fields in enumerate(items, 1):
        if isinstance(fields, dict):
            yield Item("item", number, fields)
        else:
            bad.add(path, number, str(fields), f"expected an object, got {type(fields).__name__}")


def _csv(path: Path, bad: BadLines) -> Iterator[Item]:
    dialect = "excel-tab" if path.suffix.lower() == ".tsv" else "excel"
    open_input(path).close()
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, dialect=dialect)
        try:
            for fields in reader:
                if None in fields:
                    bad.add(path, reader.line_num, str(fields), "more cells than the header has columns")
                    continue
                yield Item("line", reader.line_num, {key: value for key, value in fields.items() if value is not None})
        except (csv.Error, UnicodeDecodeError) as error:
            raise CotDistillError(f"{path}:{reader.line_num + 1}: not valid CSV in UTF-8: {error}") from None


def _parquet(path: Path, bad: BadLines) -> Iterator[Item]:
    try:
        from pyarrow import ArrowException, parquet  # type: ignore[import-untyped]
    except ImportError:
        raise CotDistillError(f"{path}: Parquet needs the extra train: pip install 'cotdistill[train]'") from None
    open_input(path).close()
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(1_000):
                for fields in batch.to_pylist():
                    number += 1
                    yield Item("row", number, fields)
    except (ArrowException, OSError) as error:
        raise CotDistillError(f"{path}: not a Parquet file: {error}") from None


def _lines(path: Path, bad: BadLines) -> Iterator[Item]:
    with open_input(path) as file:
        for number, line in enumerate(file, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError:
                bad.add(path, number, line, "not valid UTF-8")
                continue
            if text:
                yield Item("line", number, {"prompt": text})
