"""Users' prompt files -> Prompt records: JSONL, JSON, CSV, Parquet or text, with usual column names recognised.

Each record is read by its own columns, so a reference that only some records have is not lost. `Columns.describe` says
which columns were read as what, and which were not used. Files stream, except .json.
"""

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypedDict

import msgspec

from cotdistill.artifacts.json_lines import BadLines
from cotdistill.config import EvaluateConfig, GenerateConfig
from cotdistill.errors import CotDistillError
from cotdistill.inputs import layouts
from cotdistill.inputs.column_names import KEPT_AS_IS, QUESTION_FIELDS, QUESTIONS_ELSEWHERE, REFERENCE_FIELDS
from cotdistill.inputs.entries import Columns, Entry, named
from cotdistill.inputs.envelopes import opened
from cotdistill.inputs.readers import Item, Source
from cotdistill.inputs.reading import Reading
from cotdistill.inputs.recordings import prompt_of
from cotdistill.inputs.tags import tags_of
from cotdistill.inputs.values import Fields, SlipError, as_text
from cotdistill.records import Message, Prompt

_KNOWN = frozenset((*QUESTION_FIELDS, *QUESTIONS_ELSEWHERE, *REFERENCE_FIELDS, *KEPT_AS_IS))


_NAME_IT = "Name the column with --prompt-field"


@dataclass(frozen=True, kw_only=True)
class NamedColumns:
    """The columns that the user named, by the options of those names."""

    prompt_field: str | None = None
    reference_field: str | None = None
    id_field: str | None = None
    tag_field: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Any) -> Self:
        """The columns named by a stage's options, as far as it has such options."""
        named: dict[str, Any] = {one.name: getattr(config, one.name, one.default) for one in dataclasses.fields(cls)}
        return cls(**named)

    def names(self) -> list[str]:
        return [name for name in (self.prompt_field, self.reference_field, self.id_field, *self.tag_field) if name]


NAMED_BY_NO_OPTION = NamedColumns()


class PromptFile:
    """A file of prompts that can be read more than once.

        for prompt in PromptFile(path): …             # Prompt records, as the stages take them
        for entry in PromptFile(path).entries(): …    # the same with each record's columns and uncut answer

    `columns` is what the last whole pass found, and None before. `fields` are columns that every record must have,
    such as a template's. Bad lines go to `bad`, by default an error.
    """

    def __init__(
        self,
        path: Path,
        named: NamedColumns | None = NAMED_BY_NO_OPTION,
        *,
        fields: frozenset[str] = frozenset(),
        limit: int | None = None,
        bad: BadLines | None = None,
        questions_only: bool = False,
    ) -> None:
        """With `named` None no option of the command can name a column of this file."""
        self.path, self.limit = path, limit
        self.columns: Columns | None = None
        self._of_responses = 0
        self._named, self._needed = named or NAMED_BY_NO_OPTION, fields
        self._advice = "Rename the column that holds the question" if named is None else _NAME_IT
        self._bad, self._questions_only = bad or BadLines(None), questions_only
        self._source = Source(path, _KNOWN.union(name.casefold() for name in self._named.names()))

    @classmethod
    def beside(cls, path: Path, *, fields: frozenset[str] = frozenset(), questions_only: bool = False) -> Self:
        """A file beside the prompts, such as examples or an evaluation set, to which options like --prompt-field and
        --skip-bad do not apply. With `questions_only` its references may be anything."""
        return cls(path, None, fields=fields, bad=BadLines(None, skippable=False), questions_only=questions_only)

    @classmethod
    def chosen(
        cls,
        path: Path,
        config: GenerateConfig | EvaluateConfig,
        *,
        fields: frozenset[str] = frozenset(),
        bad: BadLines | None = None,
    ) -> Self:
        """The file as a stage's options say to read it."""
        return cls(path, NamedColumns.of(config), fields=fields, limit=config.limit, bad=bad)

    def describe(self) -> str:
        """A note on the file after a pass: how it was read, and `Columns.describe`."""
        responses = ["the prompts of its responses"] if self._of_responses else []
        return "; ".join([*self._source.notes, *responses, *([self.columns.describe()] if self.columns else [])])

    def __iter__(self) -> Iterator[Prompt]:
        for entry in self.entries():
            yield entry.prompt

    def entries(self) -> Iterator[Entry]:
        """Entries in file order, each id once.

        A repeated prompt is yielded once, and counted. Raises CotDistillError for a line that is no prompt, for one id
        with two contents, naming both lines, and for a named column that no record has.
        """
        seen: dict[int, int] = {}  # hashes: of a million ids and contents, kept whole, 300 MB would stay
        columns = Columns()
        for item in self._source.items(self._bad):
            if len(seen) == self.limit:
                break
            fields = Fields(self._own(item))
            try:
                reading = self._read(fields)
                entry = self._entry(item, fields, reading)
            except ValueError as error:
                if isinstance(error, SlipError) and not seen:
                    advice = f". {self._advice}" if error.names_no_question else ""
                    raise CotDistillError(f"{self.path}:{item.number}: {error}{advice}") from None
                self._refuse(item, str(error))
                continue
            prompt, asked = entry.prompt, len(seen)
            identity, content = hash(prompt.id), hash(msgspec.json.encode(prompt))
            if seen.setdefault(identity, content) != content:
                self._refuse(
                    item,
                    f"id {prompt.id!r} stands on {self._first_place(prompt.id)} already, with another content. "
                    f"Give each prompt its own id, or leave ids out",
                )
            elif len(seen) > asked:
                columns.add(reading, fields)
                yield entry
            else:
                columns.repeated += 1
        if not seen:
            raise CotDistillError(f"{self.path}: no prompts in it")
        self._check_asked_for(columns)
        self.columns = columns

    def _own(self, item: Item) -> Mapping[str, Any]:
        """A record's own columns; for a response, judged or not, those of its prompt; for another program's record
        those of the prompt inside."""
        prompt = prompt_of(item.fields)
        self._of_responses += prompt is not None
        if prompt is not None or self._names_whole(item.fields):
            return item.fields if prompt is None else prompt
        return opened(item.fields)

    def _names_whole(self, record: dict[str, Any]) -> bool:
        """Whether --prompt-field names a column of the record itself, where it has a prompt inside."""
        wanted = self._named.prompt_field
        return wanted is not None and Fields(record).has(wanted)

    def _read(self, fields: Fields) -> Reading:
        return layouts.read(
            fields, self._named.prompt_field, self._named.reference_field, questions_only=self._questions_only
        )

    def _refuse(self, item: Item, problem: str) -> None:
        self._bad.add(self.path, item.number, msgspec.json.encode(item.fields, enc_hook=str).decode(), problem)

    def _check_asked_for(self, columns: Columns) -> None:
        """Raises CotDistillError for a named column that no record has: the name is a slip."""
        asked = [
            (self._named.reference_field, "--reference-field"),
            *((name, "--tag-field") for name in self._named.tag_field),
        ]
        everything = Fields(dict.fromkeys(columns.found, "x"))
        for name, option in asked:
            if name is not None and not everything.has(name.partition(".")[0]) and not everything.has(name):
                found = ", ".join(map(named, columns.found))
                raise CotDistillError(f"{self.path}: no column {name!r} ({option}); its columns are: {found}")

    def _first_place(self, identity: str) -> str:
        """The place where the file has an id first: "line 3"."""
        for item in self._source.items(self._bad):
            fields = Fields(self._own(item))
            try:
                if self._entry(item, fields, self._read(fields)).prompt.id == identity:
                    return f"{item.place} {item.number}"
            except ValueError:
                continue
        return "another line"

    def _entry(self, item: Item, fields: Fields, reading: Reading) -> Entry:
        content = _Content(
            messages=reading.messages,
            reference=reading.reference,
            verifier=_verifier(fields) or reading.verifier,
            tags=self._tags(fields),
        )
        identity = self._identity(fields)
        if identity is None:
            identity = hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:16]
        prompt = Prompt(id=identity, **content)
        entry = Entry(prompt, item.number, fields, reading)
        if self._needed:
            entry.filling(self._needed)  # raises for a column that is not there
            for name in self._needed:
                fields.use(name)
        return entry

    def _identity(self, fields: Fields) -> str | None:
        column = self._named.id_field or "id"
        value = fields.take(column)
        if value is not None:
            return as_text(value, column)
        if self._named.id_field is None:
            return None
        if not fields.has(column):
            found = ", ".join(map(named, fields.raw))
            raise SlipError(f"no column {column!r} (--id-field); its columns are: {found}")
        raise ValueError(f"{column}: expected an id (--id-field), got nothing")

    def _tags(self, fields: Fields) -> dict[str, str] | None:
        tags = dict(tags_of("", fields.take("tags")))
        for column in self._named.tag_field:
            tags.update(tags_of(column, fields.take(column)))
        return tags or None


class _Content(TypedDict):
    """Everything of a prompt but its id."""

    messages: tuple[Message, ...]
    reference: str | None
    verifier: str | None
    tags: dict[str, str] | None


def _verifier(fields: Fields) -> str | None:
    value = fields.take("verifier")
    return None if value is None else as_text(value, "verifier").strip()
