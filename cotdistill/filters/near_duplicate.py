"""Problems that are another one in slightly other words, or traces that tell the same again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import rensa  # type: ignore[import-untyped, unused-ignore]

from cotdistill.filters._copies import Groups, merit, reference_key
from cotdistill.filters._shingles import Sketch, alike, sketch
from cotdistill.filters._texts import problem
from cotdistill.records import Judged, Prompt

BANDS_AND_ROWS = {True: (20, 3), False: (40, 5)}
"""Of the MinHash signature, for texts with and without a guard of two digits. A pair of similarity s becomes a
candidate with 1 - (1 - s^rows)^bands: 93 % at 0.5 and 99.2 % at 0.6 with the guard, which rules out nearly all others;
96 % at 0.6 and 0.04 % at 0.1 without it, for most unrelated texts are there."""

_SEED = 42
_MOST_CANDIDATES = 1_000
"""Compared for one text; more there are only where somebody tries."""


@dataclass
class Filter:
    """Drops near duplicates, the best stays: problems (on=prompt), or the answers to one prompt (on=response).

    Alike is what shares `threshold` of its words and word pairs (Jaccard), a tenth less where two digits or more
    agree. MinHash finds candidates, the exact similarity decides. Problems whose digits, operators or references differ
    are never alike: without this guard, most variants of a mathematical problem are lost. Nor are those that have
    another number word, or, where they are short and without numbers, another word at all. Answers to one prompt
    need no such guard: there another number is a slip, and the similarity counts it. Unicode look-alikes and entities
    are folded.

    Of copies the one with the most right samples stays, else one with a reference, else the first; the reason names it.

    Remembers 3 to 6 kB a problem of 50 words, at most 14 kB; of answers, only those to the current prompt.
    """

    remembers: ClassVar[bool] = True

    on: Literal["prompt", "response"] = "prompt"
    threshold: Annotated[float, msgspec.Meta(ge=0.5, le=1)] = 0.6

    _indexes: dict[bool, Any] = field(default_factory=dict, init=False, repr=False)
    _sketches: list[Sketch] = field(default_factory=list, init=False, repr=False)
    _groups: Groups = field(default_factory=Groups, init=False, repr=False)
    _current: str | None = field(default=None, init=False, repr=False)
    _looked_ahead: bool = field(default=False, init=False, repr=False)

    @property
    def looks_ahead(self) -> bool:
        return self.on == "prompt"

    def consider(self, samples: Sequence[Judged]) -> None:
        """One prompt's samples, before any is asked about."""
        self._looked_ahead = True
        self._meet(samples[0].response.prompt, merit(samples))

    def reason_to_drop(self, judged: Judged) -> str | None:
        prompt = judged.response.prompt
        is_new = prompt.id != self._current
        self._current = prompt.id
        if self.on == "response":
            if is_new:
                self._forget()
            text = f"{judged.response.reasoning or ''}\n{judged.response.text}"
            twin = self._twin(text, str(judged.response.sample), reference=0, merit=0)
            return None if twin is None else f"near duplicate of another answer | sample {twin}"
        if is_new and not self._looked_ahead:
            self._meet(prompt, merit=0)
        twin = self._groups.twin(prompt.id)
        return None if twin is None else f"near duplicate of another problem | {twin}"

    def _meet(self, prompt: Prompt, merit: int) -> None:
        self._twin(problem(prompt), prompt.id, reference_key(prompt.reference), merit)

    def _twin(self, text: str, id: str, reference: int, merit: int) -> str | None:
        """The one that is kept instead of this; None where it is new, or better: then it is remembered."""
        tokens, new = sketch(text, guarded=self.on == "prompt")
        guarded = new.digits > 1
        bands, rows = BANDS_AND_ROWS[guarded]
        if guarded not in self._indexes:
            self._indexes[guarded] = rensa.RMinHashLSH(self.threshold, bands * rows, bands)
        index = self._indexes[guarded]
        signature = rensa.RMinHash(bands * rows, _SEED)
        signature.update(tokens)
        candidates = sorted(index.query(signature))[:_MOST_CANDIDATES]
        groups = self._groups
        if self.on == "prompt" and any(groups.keeper(groups.of(key)) == id for key in candidates):  # met before
            return None
        for key in candidates:
            group, known = groups.of(key), self._sketches[key]
            if not groups.fits(group, reference) or not alike(new, known, self.threshold):
                continue
            if not groups.join(group, id, reference, merit):
                return groups.keeper(group)
            if new != known:  # what is like the one that is kept is a copy too
                self._remember(index, signature, new, group)
            return None
        self._remember(index, signature, new, groups.add(id, reference, merit))
        return None

    def _remember(self, index: Any, signature: Any, new: Sketch, group: int) -> None:
        index.insert(len(self._sketches), signature)
        self._sketches.append(new)
        self._groups.hold(group)

    def _forget(self) -> None:
        self._indexes.clear()
        self._sketches.clear()
        self._groups = Groups()
