"""Problems that are another one in slightly other words, or traces that say the same again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import msgspec

from cotdistill.artifacts.spool import Spool
from cotdistill.filters._candidates import Candidates, Text
from cotdistill.filters._copies import Groups, Problem, merit, problem_of
from cotdistill.filters._shingles import alike, numbers
from cotdistill.filters._texts import problem
from cotdistill.records import Judged


@dataclass
class Filter:
    """Drops near duplicates, the best stays: problems (on=prompt), or the answers to one prompt (on=response).

    Alike is what shares `threshold` of its words and word pairs (Jaccard), a tenth less where two digits or more
    agree. Equal numbers or MinHash find candidates, the exact similarity decides. Problems whose digits, operators or
    references differ are never alike: without this guard, most variants of a mathematical problem are lost. Nor are
    those that have another number word, or, where they are short and without numbers, another word at all. Answers to
    one prompt need no such guard: there another number is a slip, and the similarity counts it. Unicode look-alikes
    and entities are folded.

    Of copies the one with the most right samples stays, else one with a reference, else the first; the reason names it.

    Only problems with the same digits and operators are compared, so what is compared waits on disk where it is more
    than a few megabytes; of problems without any it remembers 3 to 6 kB each, at most 14 kB, of answers only those to
    the current prompt.
    """

    remembers: ClassVar[bool] = True

    on: Literal["prompt", "response"] = "prompt"
    threshold: Annotated[float, msgspec.Meta(ge=0.5, le=1)] = 0.6

    _known: Candidates = field(init=False, repr=False)
    _groups: Groups = field(default_factory=Groups, init=False, repr=False)
    _current: str | None = field(default=None, init=False, repr=False)
    _waiting: Spool | None = field(default=None, init=False, repr=False)
    """Problems by their digits and operators."""
    _twins: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    _looked_ahead: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        self._forget()

    @property
    def looks_ahead(self) -> bool:
        return self.on == "prompt"

    def consider(self, samples: Sequence[Judged]) -> None:
        """One prompt's samples, before any is asked about."""
        self._looked_ahead = True
        self._waiting = self._waiting or Spool()
        prompt = samples[0].response.prompt
        text = problem(prompt)
        self._waiting.add(numbers(text).encode(), msgspec.msgpack.encode(problem_of(prompt, merit(samples), text)))

    def reason_to_drop(self, judged: Judged) -> str | None:
        prompt = judged.response.prompt
        is_new = prompt.id != self._current
        self._current = prompt.id
        if self.on == "response":
            if is_new:
                self._forget()
            text = f"{judged.response.reasoning or ''}\n{judged.response.text}"
            twin = self._twin(text, str(judged.response.sample), reference=None, merit=0)
            return None if twin is None else f"near duplicate of another answer | sample {twin}"
        if self._waiting is not None:
            self._twins, self._waiting = self._compared(self._waiting), None
        if is_new and not self._looked_ahead:
            self._twin(problem(prompt), prompt.id, prompt.reference, merit=0)
        twin = self._twins.get(prompt.id) or self._groups.twin(prompt.id)
        return None if twin is None else f"near duplicate of another problem | {twin}"

    def _compared(self, waiting: Spool) -> dict[str, str]:
        """Those with the same digits and operators together, so that only the copies are held."""
        decoder = msgspec.msgpack.Decoder(Problem)
        twins: dict[str, str] = {}
        for like in waiting.by_key():
            for one in map(decoder.decode, like):
                self._twin(one.text, one.id, one.reference, one.merit)
            twins |= self._groups.twins()
            self._forget()
        return twins

    def _twin(self, content: str, id: str, reference: str | None, merit: int) -> str | None:
        """The one that is kept instead of this; None where it is new, or better: then it is remembered."""
        text = Text(content, guarded=self.on == "prompt")
        candidates, groups = self._known.of(text), self._groups
        if self.on == "prompt" and groups.keep(id, candidates):  # met before
            return None
        for number in candidates:
            group = groups.group_of(number)
            if not groups.fits(group, reference) or not alike(text.sketch, self._known[number], self.threshold):
                continue
            if not groups.join(group, id, reference, merit):
                return groups.keeper(group)
            if text.sketch != self._known[number]:  # what is like the one that is kept is a copy too
                self._remember(text, group)
            return None
        self._remember(text, groups.add(id, reference, merit))
        return None

    def _remember(self, text: Text, group: int) -> None:
        self._known.add(text)
        self._groups.hold(group)

    def _forget(self) -> None:
        self._known = Candidates(self.threshold)
        self._groups = Groups()
