"""Ways to new prompts: one file each; `expand --method FILENAME:option=value` finds it."""

from collections.abc import Mapping
from typing import ClassVar, Protocol

PASSAGE_LETTERS = 2_000
"""Of a passage of a document, at most, where a method says nothing else."""


class Expander(Protocol):
    """What a teacher is asked to write. One request is one seed, one facet; the order is expand's plan.

    `facets` are the ways in which one seed can be asked about, each with a wish for the teacher; `instruction` is the
    whole request. It is built of `frame`, so that what the teacher may echo is known.

    One that reads documents says `reads_documents = True`: a source is then a passage, and the new prompt is what
    `prompt(source, written)` makes of both. One whose teacher quotes the answer from the passage has
    `quoted(written) -> (question, answer)`: what does not stand in the passage is left out, what does is the reference.
    One that has to look at the seeds first has `survey(seeds) -> list[str]`, requests that are asked before all others,
    and `learn(answers)`, which comes before `facets`.
    """

    def facets(self) -> Mapping[str, str]: ...

    def instruction(self, source: str, wish: str) -> str: ...


class ReadsDocuments(Expander, Protocol):
    reads_documents: ClassVar[bool]

    def prompt(self, source: str, written: str) -> str: ...


class Quotes(ReadsDocuments, Protocol):
    def quoted(self, written: str) -> tuple[str, str]: ...


class Surveys(Expander, Protocol):
    def survey(self, seeds: list[str]) -> list[str]: ...

    def learn(self, answers: list[str]) -> None: ...
