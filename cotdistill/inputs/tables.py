"""Tables in text (CSV and its relatives) with any separator, and with what spreadsheets leave in them."""

import csv
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from cotdistill.artifacts.json_lines import BadLines
from cotdistill.errors import CotDistillError
from cotdistill.inputs.encodings import is_broken, open_text
from cotdistill.inputs.values import spellings
from cotdistill.wording import counted

csv.field_size_limit(1 << 27)  # a worked solution in a cell is longer than csv's default of 128 kB

SEPARATORS = {",": "a comma", ";": "';'", "\t": "a tab", "|": "'|'"}
_NOT_A_NUMBER = ("nan", "NaN")
"""What pandas may write into an empty cell."""


class Table:
    """A table that can be read more than once. `known` are column names by which the separator is recognised, `usual`
    is the separator that the file's name promises."""

    def __init__(self, path: Path, encoding: str, known: frozenset[str], usual: str) -> None:
        self.path, self._encoding, self._known, self._usual = path, encoding, known, usual
        self._short = 0

    def notes(self) -> list[str]:
        """What is unusual about the table, once it was read."""
        notes = []
        if self.separator != self._usual:
            notes.append(f"cells separated by {SEPARATORS[self.separator]}")
        if self._short:
            rows = counted(self._short, "row has", "rows have")
            notes.append(f"{rows} fewer cells than the header has columns")
        return notes

    @cached_property
    def separator(self) -> str:
        """The separator that gives most known columns in the header, else most columns, else the usual one."""
        with open_text(self.path, self._encoding, newline="") as text:
            header = next((line for line in text if line.strip()), "")
        if header.lower().startswith("sep=") and header.strip()[4:] in SEPARATORS:  # Excel's way to say it
            return header.strip()[4:]

        def rank(separator: str) -> tuple[int, int, bool]:
            try:
                cells = next(csv.reader([header], delimiter=separator, skipinitialspace=True), [])
            except csv.Error:
                return 0, 0, False
            known = sum(not self._known.isdisjoint(spellings(" ".join(cell.split()))) for cell in cells)
            return known, len(cells), separator == self._usual

        return max(SEPARATORS, key=rank)

    def records(self, bad: BadLines) -> Iterator[tuple[int, dict[str, str | None]]]:
        """Yields each row with the line it begins on. Bad rows go to `bad`."""
        self._short = 0
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
                    self._short += len(cells) < len(names)
                    pairs = zip(names, map(_uncovered, cells), strict=False)
                    yield number, dict(pairs)

    def _header(self, number: int, names: list[str]) -> list[str]:
        names = [name.strip() for name in names]
        for name in names:
            if name and names.count(name) > 1:
                raise CotDistillError(f"{self.path}:{number}: two columns are named {name!r}; rename one")
        return names

    def _rows(self, text: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Yields each row that is not blank, with the line it begins on."""
        reader = csv.reader(text, delimiter=self.separator, strict=True, skipinitialspace=True)
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


def _uncovered(cell: str) -> str | None:
    """A cell's text without the formula by which Excel keeps the zeros of 007: ="007"."""
    if cell in _NOT_A_NUMBER:
        return None
    return cell[2:-1].replace('""', '"') if cell.startswith('="') and cell.endswith('"') and len(cell) > 2 else cell
