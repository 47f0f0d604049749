"""Which requests a run consists of, line by line: seed x method x facet, in an order that is drawn once.

The lines of a method do not depend on how many are taken or on what other methods there are, so a longer run begins
with the lines of a shorter one, and pays for what comes after them only. Nor do they depend on the other seeds: a run
with more of them, or with another document in the folder, asks the old lines again and finds them in the store.
"""

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from cotdistill.expanders import Expander
from cotdistill.records import Message, Prompt
from cotdistill.stages.expand import calls
from cotdistill.stages.expand.sources import Source

MOST_TURNS = 10
"""So often is the same asked of the same seed, each time with the words that another one is wanted."""

_AGAIN = "\n\nThis is request number {} of its kind: write one that you would not write at first."

_SYSTEM = (
    "\n\nIt will be asked with this system prompt, like the one above; do not repeat it:\n<context>\n{}\n</context>"
)


@dataclass(frozen=True)
class Line:
    """One request to the teacher that writes. `turn` counts how often the same was asked, from 1."""

    method: str
    facet: str
    wish: str
    source: Source
    turn: int

    @property
    def id(self) -> str:
        """The new prompt's id: the same in every run on the same seeds."""
        parts = (self.method, self.facet, self.source.id, self.source.text, str(self.turn))
        return "new-" + hashlib.sha256("\x00".join(parts).encode("utf-8", "replace")).hexdigest()[:16]

    @property
    def tags(self) -> dict[str, str]:
        return {"method": self.method, "facet": self.facet, "seed": self.source.id}

    def request(self, expander: Expander) -> Prompt:
        text = calls.instruction(self.method, expander, self.source.id, self.source.text, self.wish)
        if self.source.system:
            text += _SYSTEM.format(self.source.system)
        asked = text if self.turn == 1 else text + _AGAIN.format(self.turn)
        return Prompt(id=self.id, messages=(Message(role="user", content=asked),))


@dataclass
class Plan:
    """The lines of each method, taken in turns. A method that is `stopped` gives no more."""

    sources: Sequence[Source]
    expanders: Mapping[str, Expander]
    seed: int
    stopped: set[str] = field(default_factory=set)
    _lines: dict[str, Iterator[Line]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._lines = {method: self._of(method) for method in self.expanders}

    @property
    def active(self) -> list[str]:
        return [method for method in self._lines if method not in self.stopped]

    def take(self, count: int) -> list[Line]:
        """The next lines, the methods by turns; fewer only where there are no more."""
        return list(islice(self._by_turns(), count))

    def request(self, line: Line) -> Prompt:
        return line.request(self.expanders[line.method])

    def lines_of(self, method: str) -> int:
        """All that it can ask."""
        return len(self.sources) * len(calls.facets(method, self.expanders[method])) * MOST_TURNS

    def _by_turns(self) -> Iterator[Line]:
        while methods := self.active:
            for method in methods:
                if (line := next(self._lines[method], None)) is None:
                    self.stopped.add(method)
                else:
                    yield line

    def _of(self, method: str) -> Iterator[Line]:
        """Each seed once, then each seed again with another facet: so every prefix covers as many seeds as it can. The
        draw is each seed's own, by its text: where seeds come or go, the lines of the others stay in their order."""
        facets = list(calls.facets(method, self.expanders[method]).items())
        drawn = [f"{self.seed}/{method}/{source.text}" for source in self.sources]
        orders = [random.Random(f"{words}/facets").sample(facets, len(facets)) for words in drawn]
        for turn in range(1, MOST_TURNS + 1):
            for place in range(len(facets)):
                lots = [random.Random(f"{words}/{turn}/{place}").random() for words in drawn]
                for number in sorted(range(len(lots)), key=lots.__getitem__):
                    facet, wish = orders[number][place]
                    yield Line(method, facet, wish, self.sources[number], turn)
