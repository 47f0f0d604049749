"""Answers that are right when they say the same words."""

from dataclasses import dataclass

from cotdistill.answers.extract import ANSWER_WINDOW
from cotdistill.answers.folding import fold
from cotdistill.answers.words import candidates, found_in
from cotdistill.answers.worked import cut_reference
from cotdistill.reasoning import split
from cotdistill.records import Response, Verdict, question_of

_MAX_SHOWN = 200


@dataclass
class Verifier:
    """The answer says the words of the reference, whatever their case, space, articles and LaTeX dress.

    The words are the whole text, the final answer that is announced, or the end of the last sentence. Dates, times of
    day and quantities are the same in another spelling. A sentence that doubts, denies or names several things says
    none of them.
    """

    case_sensitive: bool = False

    def judge(self, response: Response) -> Verdict:
        reference = cut_reference(response.prompt.reference or "")
        if not fold(reference):
            detail = "the reference has no words" if reference else "the prompt has no reference"
            return Verdict(status="bad_reference", reference=reference or None, method="none", detail=detail)
        visible = split(response.text)
        text = visible.answer[-ANSWER_WINDOW:].strip()
        if not text:
            detail = "the answer is empty" if visible.closed else "the reasoning does not end"
            return Verdict(status="no_answer", reference=reference, method="none", detail=detail)
        if found := found_in(text, reference, self.case_sensitive, question_of(response.prompt)):
            answer, rule = found
            return Verdict(status="correct", answer=answer, reference=reference, method=f"exact/{rule}")
        *_, (rule, said) = candidates(text)
        return Verdict(status="incorrect", answer=said[:_MAX_SHOWN], reference=reference, method=f"exact/{rule}")
