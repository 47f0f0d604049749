"""Single values and column names in users' files: which values are missing, and a value as text."""

import datetime
import math
import re
import struct
import unicodedata
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from cotdistill.inputs.column_names import bare_names

GAPS = frozenset({"NaN", "nan", "NaT", "NULL", "null", "NA", "N/A", "n/a", "<NA>", "#N/A"})
"""What pandas, R, SQL and spreadsheets write for a missing value. Python's `None` may be a class as well."""

LARGEST_WHOLE = 1e15
"""A smaller float without a fraction is written as a whole number: pandas makes 12.0 of a 12 that stands beside a
gap."""


_UNSEEN = re.compile("[\ufeff\u200b-\u200f\u2060]")


@lru_cache(4096)
def simple(name: str) -> str:
    """A column's name without the differences that spreadsheets and keyboards make: `" Final Answer"` and
    `final-answer` are `final_answer`, and an accent is the same whether it is a letter of its own or not."""
    visible = _UNSEEN.sub("", name).strip()
    return re.sub(r"[\s\-]+", "_", unicodedata.normalize("NFC", visible).casefold())


_HUMP = re.compile("(?<=[a-z0-9])(?=[A-Z])")


@lru_cache(4096)
def spellings(name: str) -> tuple[str, ...]:
    """The simple names of a column: `questionText` is `questiontext`, and `question_text` as well."""
    return tuple(dict.fromkeys((simple(name), simple(_HUMP.sub("_", name)))))


class SlipError(ValueError):
    """A fault of every record: the slip is in an option, a template or the file itself. `names_no_question`: no column
    is known to hold the question, so an option can name one."""

    def __init__(self, problem: str, *, names_no_question: bool = False) -> None:
        super().__init__(problem)
        self.names_no_question = names_no_question


def is_missing(value: Any) -> bool:
    """None, NaN (pandas' and Parquet's gap), blank text, and empty containers."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value != value or (isinstance(value, list | dict | tuple) and not value)


def as_text(value: Any, column: str) -> str:
    """A text, number, boolean, date or bytes as text: true, 12, 0.5, 2024-05-01. Raises ValueError for anything
    else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) < LARGEST_WHOLE else _shortest(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ValueError(f"{column}: expected text, got bytes that are no UTF-8") from None
    if isinstance(value, Decimal) and value.is_finite():
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()  # a date, as data frames hold it
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    raise ValueError(f"{column}: expected text, got {kind(value)}")


def _shortest(value: float) -> str:
    """The fewest digits that give the same number: 0.1 for 0.10000000149011612, which a column of 32 bits holds for
    0.1."""
    text = repr(value)
    if len(text.lstrip("-0.")) < 12 or abs(value) > 1e38 or struct.unpack("f", struct.pack("f", value))[0] != value:
        return text
    for digits in range(1, 10):
        short = f"{value:.{digits}g}"
        if struct.unpack("f", struct.pack("f", float(short)))[0] == value:
            return short
    return text


def kind(value: Any) -> str:
    """A value's kind, for an error message."""
    if isinstance(value, list | dict):
        return f"{type(value).__name__} of {len(value)}" if value else f"an empty {type(value).__name__}"
    return "nothing" if is_missing(value) else type(value).__name__


def shown(value: Any, most: int = 40) -> str:
    """A value on one short line, for an error message."""
    text = " ".join(str(value).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def for_template(value: Any) -> str:
    """A value as a template shows it: a list of plain values with commas, anything nested as JSON."""
    if is_missing(value):
        return ""
    try:
        if isinstance(value, list):
            return ", ".join(as_text(one, "") for one in value)
        return as_text(value, "")
    except ValueError:
        return msgspec.json.encode(value, enc_hook=str).decode()


class Fields:
    """One record of a user's file. Columns are found whatever the case and spaces of their names, and values inside an
    object as `outer.inner`. `used` collects the columns that were taken."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.used: set[str] = set()
        self.columns = tuple(raw)
        self._names = own_names(self.columns)
        self._absent = _not_there(self.columns)

    def name(self, wanted: str) -> str | None:
        """The column's own name; None where there is none."""
        if wanted in self.raw:
            return wanted
        return self._names.get(simple(wanted))

    def get(self, wanted: str) -> Any:
        """The value, or None where it is missing."""
        if wanted in self._absent:
            return None
        name = wanted if wanted in self.raw else self._names.get(simple(wanted))
        if name is not None:
            value = self.raw[name]
            return None if is_missing(value) else value
        if "." not in wanted:
            self._absent.add(wanted)
            return None
        outer, _, inner = wanted.rpartition(".")
        value = self.get(outer)
        return Fields(value).get(inner) if isinstance(value, Mapping) else None

    def take(self, wanted: str) -> Any:
        """The value, as `get`; the column then counts as used."""
        if wanted in self._absent:
            return None
        self.use(wanted)
        return self.get(wanted)

    def use(self, wanted: str) -> None:
        for name in (wanted, wanted.partition(".")[0]):
            if own := self.name(name):
                self.used.add(own)
                return

    def has(self, wanted: str) -> bool:
        """Whether the column or path exists, whatever its value."""
        if self.name(wanted) is not None:
            return True
        outer, dot, inner = wanted.rpartition(".")
        value = self.get(outer) if dot else None
        return isinstance(value, Mapping) and Fields(value).has(inner)

    def first(self, names: tuple[str, ...]) -> str | None:
        """The own name of the first of these columns that has a value."""
        for wanted in self.possible(names):
            if self.get(wanted) is not None:
                return self.name(wanted) or wanted
        return None

    def possible(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The `names` that a record with these columns may have a value for, itself or inside an object."""
        return _possible(self.columns, names)


# Records of one file have few sets of columns between them, and are read in dozens of ways each.


@lru_cache(maxsize=256)
def own_names(columns: tuple[str, ...]) -> dict[str, str]:
    """The first column of each simple name, in order; `question_text` comes before `questionText`. `answerText` is
    `answer` too, where nothing else is."""
    found: dict[str, str] = {}
    for name in columns:
        found.setdefault(simple(name), name)
    for name in columns:
        found.setdefault(spellings(name)[-1], name)
    return bare_names(found) | found


@lru_cache(maxsize=256)
def _not_there(columns: tuple[str, ...]) -> set[str]:
    """A cache: names that no record with these columns has a value for."""
    return set()


@lru_cache(maxsize=2048)
def _possible(columns: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    known = {*columns, *own_names(columns)}
    return tuple(name for name in names if any(path in known or simple(path) in known for path in _prefixes(name)))


def _prefixes(name: str) -> Iterator[str]:
    """`a.b.c`, `a.b`, `a`."""
    while name:
        yield name
        name = name.rpartition(".")[0]
