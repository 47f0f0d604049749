"""Finds the remembered texts that a new one may be like: those with the same numbers, or by MinHash."""

from typing import Any

import rensa

from cotdistill.filters._shingles import Sketch, sketch

BANDS_AND_ROWS = {True: (20, 3), False: (40, 5)}
"""Of the MinHash signature, for texts with and without a guard of two digits. A pair of similarity s becomes a
candidate with 1 - (1 - s^rows)^bands: 93 % at 0.5 and 99.2 % at 0.6 with the guard, which rules out nearly all others;
96 % at 0.6 and 0.04 % at 0.1 without it, for most unrelated texts are there."""

COMPARED_WITH_ALL = 8
"""So many texts with the same numbers are all compared; MinHash looks among those beyond. Most texts with two digits
have them to themselves, and need no signature."""

_SEED = 42
_MOST_CANDIDATES = 1_000
"""The most texts that one is compared with; only texts made for it have more."""


class Text:
    """A text that is looked up, and may then be remembered."""

    def __init__(self, text: str, guarded: bool) -> None:
        self.tokens, self.sketch = sketch(text, guarded)
        self.has_numbers = self.sketch.digits > 1
        self._signature: Any = None

    def signature(self) -> Any:
        """MinHash of the tokens, each joined with the text's numbers, so that texts with other numbers share no
        token."""
        if self._signature is None:
            bands, rows = BANDS_AND_ROWS[self.has_numbers]
            self._signature = rensa.RMinHash(bands * rows, _SEED)
            guard = self.sketch.guard
            self._signature.update([f"{guard}|{token}" for token in self.tokens])
        return self._signature


class Candidates:
    """Remembered texts, numbered from 0."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._by_numbers: dict[str, list[int]] = {}
        self._indexes: dict[bool, Any] = {}
        self._sketches: list[Sketch] = []

    def __getitem__(self, number: int) -> Sketch:
        return self._sketches[number]

    def of(self, text: Text) -> list[int]:
        """The numbers of texts that may be like this one, earliest first."""
        same = self._by_numbers.get(text.sketch.guard, []) if text.has_numbers else []
        if text.has_numbers and len(same) < COMPARED_WITH_ALL:
            return same
        index = self._indexes.get(text.has_numbers)
        found = index.query(text.signature()) if index is not None and text.tokens else []
        return [*same, *sorted(found)[:_MOST_CANDIDATES]]

    def add(self, text: Text) -> None:
        number = len(self._sketches)
        self._sketches.append(text.sketch)
        if text.has_numbers:
            same = self._by_numbers.setdefault(text.sketch.guard, [])
            if len(same) < COMPARED_WITH_ALL:
                same.append(number)
                return
        if text.has_numbers not in self._indexes:
            bands, rows = BANDS_AND_ROWS[text.has_numbers]
            self._indexes[text.has_numbers] = rensa.RMinHashLSH(self._threshold, bands * rows, bands)
        self._indexes[text.has_numbers].insert(number, text.signature())
