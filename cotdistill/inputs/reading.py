"""What one record of a user's file says."""

from dataclasses import dataclass, field

from cotdistill.records import Message


@dataclass
class Reading:
    """The question and reference of one record. `question_from` and `reference_from` name their columns in words;
    `question` is the question without what was joined to it from the columns `joined`; `answer` is the reference before
    it was cut. `remark` is a note for users who have such records."""

    messages: tuple[Message, ...]
    question_from: str
    question: str
    joined: frozenset[str] = frozenset()
    options: str | None = None
    options_in: tuple[str, ...] = ()
    reference: str | None = None
    reference_from: str | None = None
    answer: str | None = None
    verifier: str | None = None
    tests: bool = False
    """Whether the reference is the tests of a program."""
    remarks: list[str] = field(default_factory=list)
    unused: frozenset[str] = frozenset()
