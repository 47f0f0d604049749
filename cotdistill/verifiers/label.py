"""Answers out of a closed set of labels."""

from dataclasses import dataclass

from cotdistill.answers.extract import ANSWER_WINDOW, cut_reference
from cotdistill.answers.labels import NATURAL, label_of
from cotdistill.reasoning import split
from cotdistill.records import Response, Verdict

_MAX_SHOWN = 200


@dataclass
class Verifier:
    """One of several labels, `labels=positive|negative|neutral`; without them yes or no, which true and false are too.

    The announced or boxed answer decides, then the first word, then the last line. A text that hedges, or that gives
    two labels, has no answer. Of yes and no, a denial is the other: "The statement is not true." is no.
    """

    labels: str | None = None

    def __post_init__(self) -> None:
        names = self.names()
        if names is not None and (len(names) < 2 or len({name.casefold() for name in names}) < len(names)):
            raise ValueError(f"labels={self.labels!r}: expected two or more different ones with | between them")

    def names(self) -> list[str] | None:
        """The labels, None for yes and no."""
        return None if self.labels is None else [name.strip() for name in self.labels.split("|") if name.strip()]

    def judge(self, response: Response) -> Verdict:
        reference = cut_reference(response.prompt.reference or "")
        gold = self._of_reference(reference)
        if gold is None:
            detail = "the reference is none of the labels" if reference else "the prompt has no reference"
            return Verdict(
                status="bad_reference", reference=reference[:_MAX_SHOWN] or None, method="none", detail=detail
            )
        visible = split(response.text)
        label = label_of(visible.answer[-ANSWER_WINDOW:], self.names())
        if label is None:
            detail = "no single label is named" if visible.closed else "the reasoning does not end"
            return Verdict(status="no_answer", reference=gold, method="label", detail=detail)
        status = "correct" if label == gold else "incorrect"
        return Verdict(status=status, answer=label, reference=gold, method="label")  # type: ignore[arg-type]

    def _of_reference(self, reference: str) -> str | None:
        if self.labels is None and reference.strip(" .").casefold() not in NATURAL and len(reference) > 40:
            return None
        return label_of(reference, self.names()) if reference else None
