"""Answers out of a closed set of labels."""

from dataclasses import dataclass, field
from pathlib import Path

from cotdistill.answers.extract import ANSWER_WINDOW
from cotdistill.answers.labels import label_of
from cotdistill.answers.worked import cut_reference
from cotdistill.answers.yes_no import NATURAL
from cotdistill.reasoning import split
from cotdistill.records import Response, Verdict

_MAX_SHOWN = 200


@dataclass
class Verifier:
    """One of several labels, `labels=positive|negative|neutral`; without them yes or no, which true and false are too.

    Many labels stand in a file, one a line: `labels=./labels.txt`. The announced or boxed answer decides, then the
    first word, then the last line. A text that hedges, or that gives two labels, has no answer. Of yes and no, a denial
    is the other: "The statement is not true." is no.
    """

    labels: str | None = None
    _names: list[str] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.labels is None:
            return
        try:
            listed = self.labels.split("|") if "|" in self.labels else Path(self.labels).read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            expected = "expected a|b|c, or a file of labels, one a line"
            raise ValueError(f"labels={self.labels!r}: {expected} ({error})") from None
        self._names = [name.strip() for name in listed if name.strip()]
        if len(self._names) < 2 or len({name.casefold() for name in self._names}) < len(self._names):
            raise ValueError(f"labels={self.labels!r}: expected two or more different ones with | between them")

    def judge(self, response: Response) -> Verdict:
        reference = cut_reference(response.prompt.reference or "")
        gold = self._of_reference(reference)
        if gold is None:
            detail = "the reference is none of the labels" if reference else "the prompt has no reference"
            return Verdict(
                status="bad_reference", reference=reference[:_MAX_SHOWN] or None, method="none", detail=detail
            )
        visible = split(response.text)
        label = label_of(visible.answer[-ANSWER_WINDOW:], self._names)
        if label is None:
            detail = "no single label is named" if visible.closed else "the reasoning does not end"
            return Verdict(status="no_answer", reference=gold, method="label", detail=detail)
        return Verdict(status="correct" if label == gold else "incorrect", answer=label, reference=gold, method="label")

    def _of_reference(self, reference: str) -> str | None:
        """The label that a reference is: it says nothing else."""
        if self._names is None and reference.strip(" .").casefold() not in NATURAL:
            return None
        return label_of(reference, self._names) if reference else None
