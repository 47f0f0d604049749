"""Answers that match a regular expression."""

from dataclasses import dataclass
from typing import Literal

from cotdistill.answers.extract import ANSWER_WINDOW, final_answer
from cotdistill.reasoning import split
from cotdistill.records import Response, Verdict
from cotdistill.verifiers._patterns import compiled, search

_MAX_SHOWN = 200


@dataclass
class Verifier:
    """A regular expression matches somewhere in the `answer`, `text` or `reasoning`; without one, the reference is it.

    answer: the final answer, or the whole text where none is announced. text: all that follows the trace. Matching
    is by the library `regex`, which can be stopped: a catastrophic pattern is a `timeout` after `deadline_s` processor
    seconds, tried twice.
    """

    pattern: str | None = None
    on: Literal["answer", "text", "reasoning"] = "answer"
    ignore_case: bool = False
    deadline_s: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.deadline_s <= 3600:
            raise ValueError(f"deadline_s={self.deadline_s}: expected more than 0 and no more than 3600")
        if self.pattern is not None:
            compiled(self.pattern, self.ignore_case)

    @property
    def needs_reference(self) -> bool:
        return self.pattern is None

    def judge(self, response: Response) -> Verdict:
        reference = response.prompt.reference
        pattern = self.pattern if self.pattern is not None else reference
        method = f"regex/{self.on}"
        if not pattern:
            detail = "the prompt has no reference, and no pattern is given"
            return Verdict(status="bad_reference", method=method, detail=detail)
        try:
            expression = compiled(pattern, self.ignore_case)
        except ValueError as error:
            return Verdict(status="bad_reference", reference=reference, method=method, detail=str(error))
        text = _part(response, self.on)
        if not text:
            return Verdict(status="no_answer", reference=pattern, method=method, detail=f"there is no {self.on}")
        try:
            found = search(expression, text, self.deadline_s)
        except (TimeoutError, MemoryError):
            detail = "the match did not end in time"
            return Verdict(status="timeout", reference=pattern, method=method, detail=detail)
        shown = (found[0] or text)[:_MAX_SHOWN] if found else text[-_MAX_SHOWN:]
        return Verdict(
            status="correct" if found else "incorrect", answer=shown, reference=pattern[:_MAX_SHOWN], method=method
        )


def _part(response: Response, on: str) -> str:
    visible = split(response.text)
    if on == "reasoning":
        return (response.reasoning or visible.reasoning or "")[-ANSWER_WINDOW:]
    text = visible.answer[-ANSWER_WINDOW:].strip()
    found = final_answer(text) if on == "answer" else None
    return found.answer if found and found.rule in ("boxed", "hashes", "answer_line", "whole") else text
