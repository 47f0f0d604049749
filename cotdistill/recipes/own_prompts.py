"""A person's own prompts for a first recipe: which columns hold what, the first ones to look at, and the labels."""

from collections.abc import Iterator
from pathlib import Path

from cotdistill import plugins
from cotdistill.artifacts.json_lines import BadLines, CountedLines
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.inputs.entries import Entry, named
from cotdistill.inputs.labelled import LABEL_FIELDS
from cotdistill.inputs.prompt_files import NamedColumns, PromptFile
from cotdistill.inputs.readers import Source
from cotdistill.inputs.recordings import TRACES
from cotdistill.inputs.values import Fields, shown, spellings
from cotdistill.recipes.lookups import LOOKED_AT
from cotdistill.recipes.own_labels import Labels, labels_of
from cotdistill.records import question_of

SHOWN = 3
SHOWN_COLUMNS = 5
"""Of those that are not used."""

WIDTH = 90
"""Characters of a question that are shown."""


class OwnPrompts:
    """A file, looked at. `question` and `reference` are columns that a person named; None where the usual names do.
    `bad` counts the records that are no prompts.

    Raises UsageError for a file without a prompt in it, and where no column is known to hold the question."""

    def __init__(self, path: Path, question: str | None = None, reference: str | None = None) -> None:
        self.path, self.named, self.bad = path, (question, reference), CountedLines()
        _check_is_a_file(path)
        self._columns = NamedColumns(prompt_field=question, reference_field=reference)
        file = PromptFile(path, self._columns, limit=LOOKED_AT, bad=self.bad)
        try:
            self.entries = list(file.entries())
        except CotDistillError as error:
            raise UsageError(self.bad.first or str(error)) from None
        self._described = file.describe()
        assert file.columns is not None, "it was read"
        self.ignored = file.columns.ignored

    @property
    def named_ids(self) -> bool:
        """Whether the records have ids already."""
        return any(entry.fields.get("id") is not None for entry in self.entries)

    @property
    def with_reference(self) -> int:
        return sum(entry.prompt.reference is not None for entry in self.entries)

    def describe(self) -> str:
        """In words, which columns hold question and reference."""
        return self._described

    def first_rows(self) -> Iterator[str]:
        """A few prompts as they are understood, for the person to look at."""
        for entry in self.entries[:SHOWN]:
            reference = "none" if entry.prompt.reference is None else shown(entry.prompt.reference, WIDTH)
            yield f"  question   {_conversation(entry)}"
            yield f"  reference  {reference}"

    def bad_in_words(self) -> str:
        """Of records that are no prompts, how many there are and what the first is."""
        count, read = self.bad.count, len(self.entries)
        of = f"the first {count + read:,} records" if read == LOOKED_AT else f"{count + read:,} records"
        return f"{count:,} of {of} {'is no prompt' if count == 1 else 'are no prompts'}; the first: {self.bad.first}"

    def columns(self) -> Iterator[tuple[str, str]]:
        """Options of generate, by name, for the columns that a person named, with their values."""
        for name, value in zip(("prompt_field", "reference_field"), self.named, strict=True):
            if value is not None:
                yield name, value

    def replayed(self) -> list[str]:
        """What a simulated teacher has of this file, in words."""
        if any(entry.reading.tests for entry in self.entries):
            return ["It replays the programs that stand beside the tests."]
        if named := [name for name in self.ignored if not {*TRACES}.isdisjoint(spellings(name))]:
            return [f"It replays the references, with {', '.join(map(repr, named))} as its reasoning."]
        return [
            "It replays the references, without reasoning: no column is named "
            f"{', '.join(TRACES[:-1])} or {TRACES[-1]}. A student learns bare answers from it."
        ]

    def label_column(self, task: str) -> str | None:
        """Where the labels of a classification stand, by the column's usual name."""
        if task != "classification":
            return None
        return next((name for name in self.ignored if not {*LABEL_FIELDS}.isdisjoint(spellings(name))), None)

    def labels(self) -> Labels:
        """The classes that the references name, in the whole file: a rare one may come late."""
        whole = PromptFile(self.path, self._columns, bad=CountedLines())
        return labels_of(prompt.reference for prompt in whole if prompt.reference)


def _conversation(entry: Entry) -> str:
    turns = len(entry.prompt.messages)
    return shown(question_of(entry.prompt), WIDTH) + (f"  (the last of {turns} turns)" if turns > 1 else "")


def column_names(path: Path) -> list[str]:
    """Of the first record. Raises UsageError for a file that cannot be read, and for an empty one."""
    _check_is_a_file(path)
    try:
        for item in Source(path).items(BadLines(None, skippable=False)):
            return [named(name) for name in item.fields]
    except CotDistillError as error:
        raise UsageError(str(error)) from None
    raise UsageError(f"{path}: no prompts in it")


def check_column(name: str, columns: list[str]) -> None:
    """Raises UsageError for a column there is not."""
    if Fields(dict.fromkeys(columns)).name(name) is None:
        raise plugins.unknown("column", name, columns)


def _check_is_a_file(path: Path) -> None:
    """The hub's sets are none: a first look at them would fetch them whole."""
    if str(path).startswith("hf:"):
        raise UsageError(
            f'{path}: init looks at files. Take its samples, and then set prompts = "{path}" in the recipe, with a '
            f"teacher of yours"
        )
    if path.is_dir():
        raise UsageError(f"{path}: is a directory; give the file with your prompts")
