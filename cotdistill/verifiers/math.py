"""Mathematical answers. How two of them are compared stands in answers/equality.py and docs/verifiers.md."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from cotdistill.answers.asked import what_else, with_asked_unit
from cotdistill.answers.equality import Equality
from cotdistill.answers.extract import Extracted, all_boxed, final_answer, last_resort
from cotdistill.answers.inequalities import interval
from cotdistill.answers.markup import as_seen
from cotdistill.answers.numbers import from_local, read_number
from cotdistill.answers.prose import NUMBER
from cotdistill.answers.special import special
from cotdistill.answers.spelling import folded, plain
from cotdistill.answers.stated import without_about
from cotdistill.answers.structure import labelled_parts, parts_of_both
from cotdistill.answers.symbolic import MAX_EXPRESSION
from cotdistill.answers.worked import cut_reference
from cotdistill.reasoning import split
from cotdistill.records import Response, Verdict, question_of

_SINGLETON = re.compile(r"\\?\{([^{},;:|]{1,60}?)\\?\}")
_PART_OF = re.compile(r"(\d{1,9}) (?:out of|in) (?:every )?(\d{1,9})")
_IDEOGRAPHS = re.compile(r"[぀-鿿가-힣]{2}")
"""An answer of a script without spaces may be announced as a sentence: 答：一共有45本书。"""
_BETWEEN_BOXES = re.compile(r"\}([^{}\\]*)\\+boxed")


@dataclass
class Verifier:
    """Numbers, LaTeX expressions, sets, intervals, matrices: by value, not by spelling.

    `deadline_s` bounds the processor time of one verdict, so a busy machine changes none.
    """

    deadline_s: float = 5.0
    equality: Equality = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.equality = Equality(self.deadline_s)

    def judge(self, response: Response) -> Verdict:
        """`bad_reference` where the reference is missing or unreadable, and `detail` says which."""
        reference = cut_reference(response.prompt.reference or "")
        if not reference:
            return Verdict(status="bad_reference", method="none", detail="the prompt has no reference")
        if len(reference) > MAX_EXPRESSION:
            detail = f"the reference is longer than {MAX_EXPRESSION} characters"
            return Verdict(status="bad_reference", method="none", detail=detail)
        visible = split(response.text)
        found = final_answer(visible.answer) or _whole(visible.answer, reference)
        if found is None:
            detail = "no final answer in the text" if visible.closed else "the reasoning does not end"
            return Verdict(status="no_answer", reference=reference, method="none", detail=detail)
        budget = self.equality.budget()
        wanted, said = plain(reference), plain(from_local(found.answer) if found.comma else found.answer)
        if folded(wanted) != folded(said):
            wanted, said = without_about(wanted), without_about(said)
        wanted = with_asked_unit(question := question_of(response.prompt), wanted, said)
        ruling = self.equality.rule(wanted, said, budget)
        if ruling.status == "incorrect":
            near = without_about(reference)
            for wanted, said in _other_readings(response.prompt.reference or "", near, visible.answer, found):
                again = self.equality.rule(plain(wanted), plain(said), budget)
                if again.status == "correct":
                    ruling, reference, found = again, wanted, found._replace(answer=said)
                    break
        if ruling.status == "correct" and (other := what_else(question, reference, visible.answer, found)):
            return Verdict(status="no_answer", reference=reference, method="none", detail=other)
        return Verdict(
            status=ruling.status,
            answer=found.answer,
            reference=reference,
            method=f"{ruling.tier}/{found.rule}",
            detail=ruling.detail,
        )


def _whole(text: str, reference: str) -> Extracted | None:
    """A sentence is an answer where the reference is that very sentence, "no solution" where there is none, and an
    inequality in words where it is one."""
    text = as_seen(text).strip()
    gold, said = plain(reference), plain(text[:200])
    if len(text) < 100 and (kind := special(gold)) and kind == special(said):
        return Extracted(text, "whole")
    if len(text) < 100 and (number := read_number(said)) and (number.ordinal or said[:1].isalpha()):
        return Extracted(said, "whole")
    if len(text) < 100 and interval(said) and parts_of_both(gold, said)[0]:
        return Extracted(said, "whole")
    return Extracted(text, "whole") if len(text) < 1_000 and folded(plain(text)) == folded(plain(reference)) else None


def _other_readings(written: str, reference: str, text: str, found: Extracted) -> Iterator[tuple[str, str]]:
    """Reference and answer read in another way, where the first one did not agree: several boxes are several parts on
    either side, the last number may have a decimal comma, and a number spelt alike on both sides, such as `12.500`, is
    read alike."""
    if found.comma and _first_number(found.answer) == _first_number(reference):
        yield from_local(reference), from_local(found.answer)
    if len(parts := all_boxed(written)) > 1 and all(len(gap.split()) <= 2 for gap in _BETWEEN_BOXES.findall(written)):
        yield ", ".join(parts), found.answer
    if several := _boxes(text, reference, found):
        yield reference, several
    if found.rule != "boxed" and labelled_parts(plain(reference)) and (parts_said := labelled_parts(text.strip())):
        yield reference, "; ".join(f"({'abcdefgh'[at]}) {part}" for at, part in enumerate(parts_said.items))
    if bare := _member(reference):
        yield bare, found.answer
    if bare := _member(found.answer) or _part_of(found.answer):
        yield reference, bare
    if found.rule == "answer_line" and found.answer.endswith("!"):  # an exclamation, where the factorial is not right
        yield reference, found.answer[:-1]
    if found.rule == "answer_line" and _IDEOGRAPHS.search(found.answer) and (number := last_resort(found.answer)):
        yield reference, number.answer
    if found.rule == "last_number" and (whole := _with_comma(text, found.answer)):
        yield reference, whole


def _member(text: str) -> str | None:
    """The only member of a set, `5` of `\\{5\\}`; of a set of sets none, nor of one that holds nothing."""
    found = _SINGLETON.fullmatch(plain(text))
    return found[1].strip() if found and not special(found[1].strip()) else None


def _part_of(text: str) -> str | None:
    """`5/12` for "5 out of 12"."""
    found = _PART_OF.fullmatch(text)
    return f"{found[1]}/{found[2]}" if found else None


def _first_number(text: str) -> str:
    found = NUMBER.search(text)
    return found[0].strip() if found else text


def _with_comma(text: str, number: str) -> str | None:
    """`-12,74` where 74 was read as the last number of a text. Backwards from there, not by a pattern: that would try
    a run of a million digits elsewhere in the text from each of them."""
    before = text.rpartition(number)[0]
    digits = "".join(takewhile(lambda one: one == "-" or one.isdecimal(), reversed(before[:-1])))[::-1]
    return f"{digits},{number}" if before.endswith(",") and digits[-1:].isdecimal() else None


def _boxes(text: str, reference: str, found: Extracted) -> str | None:
    """For a reference of several parts as many boxes, the last ones: "\\boxed{1} papers and \\boxed{2} bins"."""
    if found.rule != "boxed":
        return None
    wanted, said = parts_of_both(plain(reference), plain(found.answer))
    several = ("list", "values", "named")
    if not wanted or wanted.kind not in several or (said and said.kind in several):
        return None
    boxes = all_boxed(text)[-len(wanted.items) :]
    return ", ".join(boxes) if len(boxes) == len(wanted.items) else None
