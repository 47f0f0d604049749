"""Problems spread over a tree of topics, so that the set covers a field and not its middle."""

import random
import re
from dataclasses import dataclass, field
from itertools import islice

from cotdistill.answers.characters import without_controls
from cotdistill.expanders._frame import BEGIN, END, frame
from cotdistill.expanders.persona import lines_of
from cotdistill.plugins import Count, File

_MARK = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s*")
_SHOWN = 8
_LONGEST = 60
"""In letters: a longer line is no name of a topic."""


@dataclass
class Expander:
    """Writes problems of the seeds' kind about each topic of a tree: the teacher's own, or one a line of `topics`.

    Without `topics` the teacher is first asked, `surveys` times over different seeds, for `breadth` topics with some
    subtopics each; those requests are paid and stored like all others.
    """

    topics: File | None = None
    breadth: Count = 8
    surveys: Count = 3

    _topics: tuple[str, ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        if self.topics is not None:
            self._topics = lines_of(self.topics)
            if (self.breadth, self.surveys) != (Expander.breadth, Expander.surveys):
                raise ValueError("breadth and surveys are about asking for topics, and the file of topics has them")

    def survey(self, seeds: list[str]) -> list[str]:
        """Requests for topics, each over other seeds; none where a file has them."""
        if self.topics is not None:
            return []
        lots, requests = random.Random(0), []
        for _ in range(self.surveys):
            shown = "\n\n".join(f"{BEGIN}\n{one}\n{END}" for one in lots.sample(seeds, min(_SHOWN, len(seeds))))
            requests.append(
                f"Here are some problems or questions of one collection:\n\n{shown}\n\nList {self.breadth} topics that "
                f"a collection of this kind should cover, each with three subtopics: one subtopic a line, written as "
                f"topic > subtopic. Write only these lines."
            )
        return list(dict.fromkeys(requests))

    def learn(self, answers: list[str]) -> None:
        """The tree's leaves out of the teacher's lists, each once."""
        lines = (
            _MARK.sub("", line).strip(" .`*") for answer in answers for line in without_controls(answer).splitlines()
        )
        named = {line.casefold(): line for line in lines if 0 < len(line) <= _LONGEST and not line.endswith(":")}
        self._topics = tuple(islice(named.values(), 4 * self.breadth * self.surveys))

    def facets(self) -> dict[str, str]:
        return {one: f"Let it be about this topic: {one}." for one in self._topics}

    def instruction(self, source: str, wish: str) -> str:
        return frame(source, f"{wish} Keep its kind and its difficulty.")
