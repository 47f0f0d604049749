"""Numbers that are near enough."""

import re
from dataclasses import dataclass
from fractions import Fraction

from cotdistill.answers.asked import what_else, with_asked_unit
from cotdistill.answers.equality import numbers
from cotdistill.answers.extract import final_answer
from cotdistill.answers.numbers import Number, read_number
from cotdistill.answers.spelling import plain, right_side, words_of
from cotdistill.answers.stated import stated
from cotdistill.answers.unit_ratio import ratio
from cotdistill.answers.worked import cut_reference
from cotdistill.reasoning import split
from cotdistill.records import Response, Verdict, question_of

_ABOUT = re.compile(
    r"^(?:[^\W\d] ?(?=≈|\\approx)|\\pi ?(?=≈|\\approx))?(?:\\approx|≈|~|\\sim|about|approximately|approx\.?"
    r"|roughly|around) ?",
    re.IGNORECASE,
)


@dataclass
class Verifier:
    """A number within `tolerance` of the reference, counted in the reference's unit; `relative`: a share of it.

    Two different units differ, as in `math`; a percentage and a bare number are compared as percentages, where the
    bare number up to 1 is a share.
    """

    tolerance: float = 0.01
    relative: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < float("inf"):
            raise ValueError(f"tolerance={self.tolerance}: expected 0 or more")

    def judge(self, response: Response) -> Verdict:
        reference = cut_reference(response.prompt.reference or "")
        gold = read_number(_bare(reference)) or _stated(reference)
        if gold is None:
            detail = "the reference is not a number" if reference else "the prompt has no reference"
            return Verdict(status="bad_reference", reference=reference[:200] or None, method="none", detail=detail)
        visible = split(response.text)
        found = final_answer(visible.answer)
        if found is None:
            detail = "no final answer in the text" if visible.closed else "the reasoning does not end"
            return Verdict(status="no_answer", reference=reference, method="none", detail=detail)
        question = question_of(response.prompt)
        if other := what_else(question, reference, visible.answer, found):
            return Verdict(status="no_answer", reference=reference, method="none", detail=other)
        gold = read_number(with_asked_unit(question, _bare(reference), _bare(found.answer))) or gold
        given = numbers(reference, _bare(found.answer))[1] or _stated(found.answer)
        return Verdict(
            status="correct" if given and self._near(gold, given) else "incorrect",
            answer=found.answer,
            reference=reference,
            method=f"numeric/{found.rule}",
            detail=None if given else "the answer is not a number",
        )

    def _near(self, gold: Number, given: Number) -> bool:
        scale = ratio(gold.unit, given.unit)
        if scale is None:
            return False
        wanted, said = gold.value, given.value * scale
        if gold.unit.percent != given.unit.percent:
            wanted, said = _as_percent(gold), _as_percent(given)
        room = Fraction(str(self.tolerance))  # 0.01 as it was written, not its nearest binary number
        return abs(wanted - said) <= (room * abs(wanted) if self.relative else room)


def _as_percent(number: Number) -> Fraction:
    return number.value * 100 if not number.unit.percent and abs(number.value) <= 1 else number.value


def _bare(text: str) -> str:
    """A text without "x =" and "about"."""
    return _ABOUT.sub("", right_side(plain(text), ""))


def _stated(text: str) -> Number | None:
    """The number that a sentence states; a formula states none."""
    text = _bare(text)
    said = stated(text) if words_of(text) else None
    return read_number(plain(said)) if said else None
