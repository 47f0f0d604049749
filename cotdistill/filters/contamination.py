"""Responses in which an evaluation set's problem stands: a student that has seen it is not measured any more."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cotdistill.filters._copies import shown
from cotdistill.filters._texts import every_turn, folded, is_of_formulas, problem, signed_words, words
from cotdistill.inputs.entries import Entry
from cotdistill.inputs.prompt_files import PromptFile
from cotdistill.plugins import Files, Share
from cotdistill.records import Judged

REASON = "in an evaluation set"

WORDS_A_GRAM = {"containment": 5, "any8": 8}

SHORT = 8
"""In words. A shorter item has too few sequences to judge by; it must be in the problem as a whole, signs included, and
make up half of it."""

OF_FORMULAS = 0.8
"""So much it takes of an item that is mostly formulas, where `threshold` is less: half of `a=6 b=a-7 c=b+5 c?`
stands in many another chain."""

_SHORTEST_IN_A_RESPONSE = 5
"""In words and signs. Shorter items, such as "2 + 2", are said in many an answer to something else."""

_LONGEST_PART = 2_000
"""In letters. A longer text has more words than twice those of a short item."""

_SIGNIFICANT = re.compile(r"\w+|[^\w\s.,;:!?'\"$]")


@dataclass
class Filter:
    """Drops responses that hold an item of the evaluation files `against` (several: a|b), in prompt, trace or answer.

    containment: the text has `threshold` of an item's sequences of five words. any8: the prompt shares any sequence of
    eight, as open-r1 and s1 decontaminate; trace and answer must have `threshold` of an item's. Case, punctuation,
    Unicode look-alikes and entities are folded; an operator counts with the word after it, and all signs do in items
    under eight words, which must be there as a whole. Of an item that is mostly formulas it takes 80 %.
    The reason ends in the file and the id of the item that is most alike, and where in the response it stands.
    """

    against: Files
    rule: Literal["containment", "any8"] = "containment"
    threshold: Share = 0.5

    _index: "_Index | None" = field(default=None, init=False, repr=False, compare=False)
    _last: tuple[str, str | None] = field(default=("", None), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        missing = [path for path in self._paths() if not Path(path).is_file()]
        if missing:
            raise ValueError(f"no evaluation file {missing[0]!r}; give the path of one (--against)")
        for path in self._paths():
            for _ in _entries(Path(path)):  # a line that cannot be read ends the run before it begins
                pass

    def reason_to_drop(self, judged: Judged) -> str | None:
        if self._index is None:  # not before: a process that only checks the options needs none
            self._index = _Index(_items(self._paths()), WORDS_A_GRAM[self.rule], self.threshold)
        response = judged.response
        text = every_turn(response.prompt)
        if text != self._last[0]:  # the samples of one prompt follow each other
            least = self.threshold if self.rule == "containment" else 0
            self._last = text, self._index.match(text, [turn.content for turn in response.prompt.messages], least)
        if found := self._last[1]:
            return f"{REASON} | {found}"
        for where, part in (("trace", response.reasoning), ("answer", response.text)):
            if part and (found := self._index.match(part, [part], self.threshold, _SHORTEST_IN_A_RESPONSE)):
                return f"{REASON} | {found}, in the {where}"
        return None

    def _paths(self) -> list[str]:
        return [path for path in self.against.split("|") if path] or [self.against]


def _entries(path: Path) -> Iterator[Entry]:
    return PromptFile.beside(path, questions_only=True).entries()


def _items(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each item's name, on one short line, and its text; without its options or passage too, where it has any."""
    for path in map(Path, paths):
        for entry in _entries(path):
            own_id = entry.fields.get("id") is not None
            name = f"{path.name} {shown(entry.prompt.id)}" if own_id else f"{path.name}:{entry.number}"
            yield name, problem(entry.prompt)
            if entry.reading.joined and len(words(entry.reading.question)) >= SHORT:
                yield name, entry.reading.question


class _Index:
    """Which items a sequence of words is in. The words are kept as their hashes: about 100 bytes a sequence. `sizes`
    are of so many sequences that `threshold` of them is what an item takes."""

    def __init__(self, items: Iterable[tuple[str, str]], gram: int, threshold: float) -> None:
        self.gram = gram
        self.names: list[str] = []
        self.sizes: list[float] = []
        self.holders: dict[int, list[int]] = {}
        self.whole: dict[tuple[str, ...], str] = {}
        for name, text in items:
            text = folded(text)
            found = signed_words(text)
            if len(found) < SHORT:
                self.whole.setdefault(_significant(text), name)
                continue
            grams = self._grams(found)
            for one in grams:
                self.holders.setdefault(one, []).append(len(self.names))
            self.names.append(name)
            harder = max(1.0, OF_FORMULAS / threshold) if threshold and is_of_formulas(found) else 1.0
            self.sizes.append(harder * len(grams))
        self.whole.pop((), None)
        self.lengths = sorted({len(item) for item in self.whole}, reverse=True)

    def match(self, text: str, parts: Sequence[str], least: float, shortest: int = 1) -> str | None:
        """The name of the item of which the text has most, `least` at least; or of a short one that is a part,
        `shortest` words and signs or more."""
        shared = self.holders.keys() & self._grams(signed_words(folded(text)))
        if shared:
            times = Counter(item for one in shared for item in self.holders[one])
            share, item = max((count / self.sizes[item], -item) for item, count in times.items())
            if share >= least:
                return self.names[-item]
        return next(filter(None, (self._whole(part, shortest) for part in parts)), None) if self.lengths else None

    def _whole(self, text: str, shortest: int) -> str | None:
        if len(text) > _LONGEST_PART:
            return None
        text = folded(text)
        if len(words(text)) > 2 * SHORT:
            return None
        tokens = _significant(text)
        for length in self.lengths:
            if length < shortest or 2 * length < len(tokens):
                return None
            for start in range(len(tokens) - length + 1):
                if name := self.whole.get(tokens[start : start + length]):
                    return name
        return None

    def _grams(self, found: list[str]) -> set[int]:
        return set(map(hash, zip(*(found[start:] for start in range(self.gram)), strict=False)))


def _significant(text: str) -> tuple[str, ...]:
    return tuple(_SIGNIFICANT.findall(text.lower()))
