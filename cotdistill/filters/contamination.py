"""Problems that stand in an evaluation set: a student that has seen them is not measured any more."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cotdistill.filters._texts import problem, words
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.plugins import Share
from cotdistill.records import Judged

REASON = "in an evaluation set"

WORDS_A_GRAM = {"containment": 5, "any8": 8}

SHORT = 8
"""In words. A shorter item has too few sequences to judge by; it must be in the problem as a whole, signs included, and
make up half of it."""

_SIGNIFICANT = re.compile(r"\w+|[^\w\s.,;:!?'\"$]")


@dataclass
class Filter:
    """Drops problems found in the evaluation files `against` (several: a|b), whatever the numbers of their ids.

    containment: the problem has `threshold` of an item's sequences of five words. any8: it shares any sequence of
    eight, as open-r1 and s1 decontaminate. Case and signs are ignored, but not in items under eight words, which must
    be there as a whole. The reason ends in the file and the id of the item that is most alike.
    """

    against: str
    rule: Literal["containment", "any8"] = "containment"
    threshold: Share = 0.5

    _index: "_Index | None" = field(default=None, init=False, repr=False, compare=False)
    _last: tuple[str, str | None] = field(default=("", None), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        missing = [path for path in self._paths() if not Path(path).is_file()]
        if missing:
            raise ValueError(f"no evaluation file {missing[0]!r}")

    def reason_to_drop(self, judged: Judged) -> str | None:
        text = problem(judged.response.prompt)
        if text != self._last[0]:  # the samples of one prompt follow each other
            if self._index is None:  # not before: a process that only checks the options needs none
                least = self.threshold if self.rule == "containment" else 0
                self._index = _Index(_items(self._paths()), WORDS_A_GRAM[self.rule], least)
            found = self._index.match(text)
            self._last = (text, f"{REASON} | {found}" if found else None)
        return self._last[1]

    def _paths(self) -> list[str]:
        return [path for path in self.against.split("|") if path] or [self.against]


def _items(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each item's name, on one short line, and its text."""
    for path in map(Path, paths):
        for prompt in PromptFile(path):
            id = "".join(letter for letter in prompt.id if letter.isprintable())[:40]
            yield f"{path.name} {id}", problem(prompt)


class _Index:
    """Which items a sequence of words is in. The words are kept as their hashes: about 100 bytes a sequence."""

    def __init__(self, items: Iterable[tuple[str, str]], gram: int, least: float) -> None:
        self.gram, self.least = gram, least
        self.names: list[str] = []
        self.sizes: list[int] = []
        self.holders: dict[int, list[int]] = {}
        self.whole: dict[tuple[str, ...], str] = {}
        for name, text in items:
            found = words(text)
            if len(found) < SHORT:
                self.whole.setdefault(_significant(text), name)
                continue
            grams = self._grams(found)
            for one in grams:
                self.holders.setdefault(one, []).append(len(self.names))
            self.names.append(name)
            self.sizes.append(len(grams))
        self.whole.pop((), None)
        self.lengths = sorted({len(item) for item in self.whole}, reverse=True)

    def match(self, text: str) -> str | None:
        """The name of the item that is most alike, or None."""
        found = words(text)
        shared = self.holders.keys() & self._grams(found)
        if shared:
            times = Counter(item for one in shared for item in self.holders[one])
            share, item = max((count / self.sizes[item], -item) for item, count in times.items())
            if share >= self.least:
                return self.names[-item]
        return self._whole(text) if self.lengths and len(found) <= 2 * SHORT else None

    def _whole(self, text: str) -> str | None:
        tokens = _significant(text)
        for length in self.lengths:
            for start in range(len(tokens) - length + 1 if 2 * length >= len(tokens) else 0):
                if name := self.whole.get(tokens[start : start + length]):
                    return name
        return None

    def _grams(self, found: list[str]) -> set[int]:
        return set(map(hash, zip(*(found[start:] for start in range(self.gram)), strict=False)))


def _significant(text: str) -> tuple[str, ...]:
    return tuple(_SIGNIFICANT.findall(text.lower()))
