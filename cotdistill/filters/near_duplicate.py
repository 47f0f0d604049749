"""Problems that are another one in slightly other words, or traces that tell the same again."""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import rensa  # type: ignore[import-untyped, unused-ignore]

from cotdistill.filters._shingles import Sketch, alike, sketch
from cotdistill.filters._texts import problem
from cotdistill.records import Judged

BANDS_AND_ROWS = {True: (20, 3), False: (40, 5)}
"""Of the MinHash signature, for texts with and without a guard of two digits. A pair of similarity s becomes a
candidate with 1 - (1 - s^rows)^bands: 93 % at 0.5 and 99.2 % at 0.6 with the guard, which rules out nearly all others;
96 % at 0.6 and 0.04 % at 0.1 without it, for most unrelated texts are there."""

_SEED = 42
_MOST_CANDIDATES = 1_000
"""Compared for one text; more there are only where somebody tries."""


@dataclass
class Filter:
    """Drops near duplicates, the first stays: problems (on=prompt), or the answers to one prompt (on=response).

    Alike is what shares `threshold` of its words and word pairs (Jaccard), a tenth less where two digits or more
    agree. MinHash finds candidates, the exact similarity decides. Problems whose digits or operators differ
    are never alike: without this guard, most variants of a mathematical problem are lost. Nor are those that have
    another number word, or, where they are short and without numbers, another word at all. Answers to one prompt
    need no such guard: there another number is a slip, and the similarity counts it.

    Remembers 3 to 6 kB a problem of 50 words, at most 14 kB; of answers, only those to the current prompt.
    """

    remembers: ClassVar[bool] = True

    on: Literal["prompt", "response"] = "prompt"
    threshold: Annotated[float, msgspec.Meta(ge=0.5, le=1)] = 0.6

    _indexes: dict[bool, Any] = field(default_factory=dict, init=False, repr=False)
    _sketches: list[Sketch] = field(default_factory=list, init=False, repr=False)
    _ids: list[str] = field(default_factory=list, init=False, repr=False)
    _current: str | None = field(default=None, init=False, repr=False)
    _repeats: bool = field(default=False, init=False, repr=False)

    def reason_to_drop(self, judged: Judged) -> str | None:
        prompt = judged.response.prompt
        is_new = prompt.id != self._current
        self._current = prompt.id
        if self.on == "response":
            if is_new:
                self._forget()
            text = f"{judged.response.reasoning or ''}\n{judged.response.text}"
            return "near duplicate of another answer" if self._known(text, str(len(self._ids))) else None
        if is_new:
            self._repeats = self._known(problem(prompt), prompt.id)
        return "near duplicate of another problem" if self._repeats else None

    def _known(self, text: str, id: str) -> bool:
        """Whether a text like it is remembered under another id; remembers it where none is."""
        tokens, new = sketch(text, guarded=self.on == "prompt")
        guarded = new.digits > 1
        bands, rows = BANDS_AND_ROWS[guarded]
        if guarded not in self._indexes:
            self._indexes[guarded] = rensa.RMinHashLSH(self.threshold, bands * rows, bands)
        index = self._indexes[guarded]
        signature = rensa.RMinHash(bands * rows, _SEED)
        signature.update(tokens)
        candidates = sorted(index.query(signature))[:_MOST_CANDIDATES]
        if any(self._ids[key] == id for key in candidates):  # its prompt came before, and was kept
            return False
        if any(alike(new, self._sketches[key], self.threshold) for key in candidates):
            return True
        index.insert(len(self._ids), signature)
        self._sketches.append(new)
        self._ids.append(id)
        return False

    def _forget(self) -> None:
        self._indexes.clear()
        self._sketches.clear()
        self._ids.clear()
