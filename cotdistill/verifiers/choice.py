"""One of several options."""

from dataclasses import dataclass

from cotdistill.answers.choices import chosen_by_reference, chosen_by_text, leaves_open
from cotdistill.answers.extract import ANSWER_WINDOW
from cotdistill.answers.options import read_options
from cotdistill.answers.worked import cut_reference
from cotdistill.reasoning import split
from cotdistill.records import Response, Verdict, question_of

_MAX_SHOWN = 200


@dataclass
class Verifier:
    """An option's letter or number, or its text; options are read from the question's lines `A) …` or `1. …`.

    The reference is a letter, a letter with its text, an option's text, or several letters ("A, C") that must all be
    named. An answer that names other letters besides is incorrect, a letter that is denied is not named, and a single
    word "A" is no letter.
    """

    def judge(self, response: Response) -> Verdict:
        options = read_options(question_of(response.prompt))
        reference = cut_reference(response.prompt.reference or "")
        gold = chosen_by_reference(reference, options)
        if isinstance(gold, str):
            return Verdict(status="bad_reference", reference=reference[:_MAX_SHOWN] or None, method="none", detail=gold)
        visible = split(response.text)
        rule, letters = chosen_by_text(visible.answer[-ANSWER_WINDOW:].strip(), options)
        shown = ", ".join(sorted(gold))
        if not letters:
            detail = "no option is named" if visible.closed else "the reasoning does not end"
            return Verdict(status="no_answer", reference=shown, method="none", detail=detail)
        right = letters == gold and not (len(gold) > 1 and leaves_open(visible.answer[-ANSWER_WINDOW:]))
        return Verdict(
            status="correct" if right else "incorrect",
            answer=", ".join(sorted(letters)),
            reference=shown,
            method=f"choice/{rule}",
            detail="several letters are named" if len(letters) > len(gold) else None,
        )
