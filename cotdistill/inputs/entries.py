"""What was read of a user's prompt file: one record, and the columns of all records."""

from collections import Counter
from dataclasses import dataclass, field

from cotdistill.inputs.reading import Reading
from cotdistill.inputs.values import Fields, SlipError, for_template, is_missing
from cotdistill.records import Prompt
from cotdistill.wording import counted

MOST_NAMES = 30
"""Unused columns that are named; more are counted."""

PLACEHOLDERS = frozenset(("n/a", "n.a.", "#n/a", "na", "nan", "null", "none", "nil", "tbd", "todo", "-", "--", "?"))
"""What tables write into empty cells. It may also be a class, so it is kept as it is and reported."""


@dataclass(frozen=True)
class Entry:
    """One record of a prompt file. `prompt` is the record that goes on; `number` is its line, or its place in the file;
    `reading` says which columns were read as what; `fields` are the record's own columns."""

    prompt: Prompt
    number: int
    fields: Fields
    reading: Reading

    @property
    def answer(self) -> str | None:
        """The reference before the final answer was cut out of it: a worked solution, if the file has one."""
        return self.reading.answer

    def column(self, name: str) -> str:
        """A column's text for a template; options stand with their letters, one a line. Raises ValueError where the
        record has no such column, or no value in it."""
        own = self.fields.name(name)
        if own is None or (is_missing(self.fields.raw[own]) and not isinstance(self.fields.raw[own], str)):
            problem = f"no column {name!r}" if own is None else f"nothing in the column {own!r}"
            found = ", ".join(map(named, self.fields.raw))
            says = f"the template needs ${name}, and this record has {problem}; its columns are: {found}"
            raise SlipError(says) if own is None else ValueError(says)
        if own in self.reading.options_in and len(self.reading.options_in) == 1 and self.reading.options:
            return self.reading.options
        return for_template(self.fields.raw[own])

    def filling(self, names: frozenset[str]) -> dict[str, str]:
        """The values of a template's fields, without `question` where that is the prompt's last turn. If the template
        names a column that was joined to the question, such as a passage or the options, the question comes without
        it."""
        values = {name: self.column(name) for name in names if name != "question"}
        if any(self.fields.name(name) in self.reading.joined for name in values):
            values["question"] = self.reading.question
        return values


@dataclass
class Columns:
    """Counts, over one pass, which columns were read as what."""

    prompts: int = 0
    questions: Counter[str] = field(default_factory=Counter)
    references: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)
    placeholders: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    found: dict[str, bool] = field(default_factory=dict)
    """Every column, and whether a record used it."""

    def add(self, reading: Reading, fields: Fields) -> None:
        self.prompts += 1
        self.questions[reading.question_from] += 1
        if reading.reference is not None and reading.reference_from:
            self.references[reading.reference_from] += 1
            if reading.reference.strip().casefold() in PLACEHOLDERS:
                self.placeholders[reading.reference.strip()] += 1
        self.remarks.update(reading.remarks)
        for name in (*fields.raw, *reading.unused):
            if len(self.found) < 10 * MOST_NAMES or name in self.found:
                self.found[name] = self.found.get(name, False) or name in fields.used

    @property
    def ignored(self) -> list[str]:
        return [name for name, used in self.found.items() if not used]

    def describe(self) -> str:
        """One line for the user: where questions and references come from, how many have a reference, which columns are
        not used."""
        questions = _counted(self.questions)
        references = (
            f"reference: {self.references.total():,} of {self.prompts:,} prompts, from {_counted(self.references)}"
            if self.references
            else "no reference"
        )
        remarks = [
            text if count == self.prompts else f"{text} ({counted(count, 'prompt')})"
            for text, count in self.remarks.items()
        ]
        for text, count in self.placeholders.items():
            these = counted(count, "reference is", "references are")
            remarks.append(f"{these} {text!r}, taken as an answer: leave it blank where there is none")
        if self.repeated:
            remarks.append(f"{counted(self.repeated, 'repeated record is', 'repeated records are')} asked once")
        if ignored := self.ignored:
            more = f" and {len(ignored) - MOST_NAMES} more" if len(ignored) > MOST_NAMES else ""
            remarks.append(f"not used: {', '.join(map(named, ignored[:MOST_NAMES]))}{more}")
        return "; ".join([f"question from {questions}, {references}", *remarks])


def named(column: str) -> str:
    return column or "(a column without a name)"


def _counted(sources: Counter[str]) -> str:
    """'answer' where there is one source; 'answer' 12, 'solution' 3 where there are several."""
    if len(sources) == 1:
        return next(iter(sources))
    return ", ".join(f"{source} {count:,}" for source, count in sources.items())
