"""Mathematical answers: numbers, equal texts, lists, sets, intervals and matrices are decided here, what is left by
algebra in a worker process.

A false accept is trained on, a false reject costs one sample. So where a spelling can mean two things, the verdict is
`incorrect`. The conventions:

* `50%` answers 50 and 0.5 alike, for a prompt that asks for a percentage has either as its reference; a number without
  the sign is a share up to 1 and a percentage above. So `500%` does not answer 5, nor `0.5%` 0.5.
* A decimal answers a fraction without end, and the other way round, if it is the fraction rounded to the decimal's
  own digits, two or more of them after the point and three or more significant: 0.333 and 66.67 do for 1/3 and 200/3;
  0.33, 0.334 and 667 do not, nor 0.13 for 1/8. For roots and π no fewer than
  twelve digits do.
* A unit may be missing on one side; two different units differ, also where one could be converted.
* A set has no order. A list, a pair and an interval do, and none of them answers another.
* Letters of a word do not commute, and A is not a: `even` is not `neve`.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

from cotdistill.answers.extract import Extracted, all_boxed, cut_reference, final_answer
from cotdistill.answers.numbers import off_unit, read, same, with_point
from cotdistill.answers.spelling import LETTER, WORDS, folded, plain, same_letters, stated, words_of
from cotdistill.answers.structure import ALIKE, UNORDERED, Parts, are_matrices, parts_of_both, right_sides
from cotdistill.answers.symbolic import MAX_EXPRESSION, Comparer, Outcome, reason_to_refuse
from cotdistill.reasoning import split
from cotdistill.records import Response, Status, Verdict

MAX_PARTS = 100

_OPTION = re.compile(r"(?:\(?([A-Z])[).:] )+(?=\S)")
_LITERAL = re.compile(r"\d:\d|\d\.\d+\.|\d_\{?\d")
"""A time, a version, a numeral in another base: right only if spelt alike, for algebra misreads them."""
_DATE = re.compile(r"\d[-/]\d+[-/]\d|\d:\d|\d\.\d+\.")
_RELATION = re.compile(r"[<>]|\\(?:[lg]e|ne)(?![a-z])")
_FORMULA = re.compile(r"\d|\\[A-Za-z]|[=^_{}+*/<>|]|^\(.*\)$|^[A-Za-z]$")
_BETWEEN_BOXES = re.compile(r"\}([^{}\\]*)\\+boxed")
_PROSE = re.compile(r"[A-Za-z]{2,}[,:;.]? +[A-Za-z]{2,}")

_OUTCOMES: dict[Outcome, tuple[Status, str | None]] = {
    "equal": ("correct", None),
    "different": ("incorrect", None),
    "bad_reference": ("bad_reference", "the reference cannot be read as mathematics"),
    "no_answer": ("incorrect", "the answer cannot be read as mathematics"),
    "timeout": ("timeout", "the comparison did not end in time"),
    "error": ("error", "the comparison failed"),
}


class _Ruling(NamedTuple):
    status: Status
    tier: str
    detail: str | None = None


@dataclass
class Verifier:
    """Numbers, LaTeX expressions, sets, intervals, matrices: by value, not by spelling; `deadline_s` for algebra."""

    deadline_s: float = 5.0
    _comparer: Comparer = field(default_factory=Comparer, init=False, repr=False, compare=False)

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
        until = time.monotonic() + self.deadline_s
        ruling = self._rule(plain(reference), plain(found.answer), until)
        if ruling.status == "incorrect":
            for wanted, said in _other_readings(response.prompt.reference or "", reference, visible.answer, found):
                again = self._rule(plain(wanted), plain(said), until)
                if again.status == "correct":
                    ruling, reference, found = again, wanted, found._replace(answer=said)
                    break
        return Verdict(
            status=ruling.status,
            answer=found.answer,
            reference=reference,
            method=f"{ruling.tier}/{found.rule}",
            detail=ruling.detail,
        )

    def equal(self, one: str, other: str, timeout_s: float | None = None) -> bool:
        """Whether two answers are the same; False where that is not certain in time, which is `deadline_s` at most."""
        timeout_s = self.deadline_s if timeout_s is None else min(timeout_s, self.deadline_s)
        return self._rule(plain(one), plain(other), time.monotonic() + timeout_s).status == "correct"

    def _rule(self, gold: str, given: str, until: float) -> _Ruling:
        """The cheap certainties; what they leave open goes on to `_rule_by_words` and then `_rule_by_structure`."""
        if time.monotonic() > until:  # sets of sets: every pair is tried
            return _Ruling("timeout", "structure", _OUTCOMES["timeout"][1])
        if folded(gold) == folded(given):
            return _Ruling("correct", "text")
        wanted, said = read(gold), read(given)
        if (wanted is None) != (said is None):  # 2,74 is a list, unless the other side is a number
            wanted, said = wanted or read(with_point(gold)), said or read(with_point(given))
        if wanted and said:
            return _Ruling("correct" if same(wanted, said) else "incorrect", "numeric")
        if option := _OPTION.match(given):
            given = option[1] if LETTER.fullmatch(gold) else given[option.end() :]
            return self._rule(gold, given, until)
        if reason := reason_to_refuse(gold):
            return _Ruling("bad_reference", "text", f"the reference is {reason}")
        return self._rule_by_words(gold, given, until)

    def _rule_by_words(self, gold: str, given: str, until: float) -> _Ruling:
        sides = right_sides(gold, given)
        if _LITERAL.search(gold) and sides != (gold, given):
            return self._rule(*sides, until)
        if LETTER.fullmatch(gold) or WORDS.fullmatch(gold) or _LITERAL.search(gold) or _LITERAL.search(given):
            return _Ruling("incorrect", "text")
        if reason := reason_to_refuse(given):
            return _Ruling("incorrect", "text", f"the answer is {reason}")
        if words_of(given) and not words_of(gold):
            number = stated(given)
            return self._rule(gold, number, until) if number else _Ruling("incorrect", "text", "the answer is prose")
        return self._rule_by_structure(gold, given, until) if sides == (gold, given) else self._rule(*sides, until)

    def _rule_by_structure(self, gold: str, given: str, until: float) -> _Ruling:
        wanted, said = parts_of_both(gold, given)
        if wanted and said and (wanted.kind == said.kind or {wanted.kind, said.kind} in ALIKE):
            return self._rule_parts(wanted, said, until)
        if any(_PROSE.search(item) and len(item.split()) > 3 for item in (wanted.items if wanted else [gold])):
            return _Ruling("bad_reference", "text", "the reference is a sentence")
        if (wanted or said) and not (_RELATION.search(gold) or _RELATION.search(given) or are_matrices(gold, given)):
            return _Ruling("incorrect", "structure")
        if ("=" in gold) != ("=" in given):
            return _Ruling("incorrect", "structure", "one side is an equation, the other is not")
        return self._rule_by_algebra(gold, given, until)

    def _rule_parts(self, wanted: Parts, said: Parts, until: float) -> _Ruling:
        """Each wanted part must be met by the part at its place, or in a set by one not used yet."""
        if len(wanted.items) != len(said.items) or len(wanted.items) > MAX_PARTS:
            return _Ruling("incorrect", "structure")
        free = list(said.items)
        tiers: list[str] = []
        for item in wanted.items:
            rulings: list[_Ruling] = []
            for place, candidate in enumerate(free if {wanted.kind, said.kind} & UNORDERED else free[:1]):
                rulings.append(self._rule(item, candidate, until))
                if rulings[-1].status == "correct":
                    del free[place]
                    break
            else:
                return next((one for one in rulings if one.status != "incorrect"), rulings[-1])
            tiers.append(rulings[-1].tier)
        return _Ruling("correct", "symbolic" if "symbolic" in tiers else "structure")

    def _rule_by_algebra(self, gold: str, given: str, until: float) -> _Ruling:
        gold, unit = off_unit(gold)
        given, other = off_unit(given)
        if (unit and other and unit != other) or not same_letters(gold, given):
            return _Ruling("incorrect", "text")
        left_s = until - time.monotonic()
        outcome: Outcome = self._comparer.compare(gold, given, left_s) if left_s > 0 else "timeout"
        status, detail = _OUTCOMES[outcome]
        return _Ruling(status, "symbolic", detail)


def _whole(text: str, reference: str) -> Extracted | None:
    """A sentence is an answer where the reference is that very sentence."""
    text = text.strip()
    return Extracted(text, "whole") if len(text) < 1_000 and folded(plain(text)) == folded(plain(reference)) else None


def _other_readings(written: str, reference: str, text: str, found: Extracted) -> Iterator[tuple[str, str]]:
    """Reference and answer read in another way, where the first one did not agree: several boxes are several parts on
    either side, and the last number may have a decimal comma."""
    if len(parts := all_boxed(written)) > 1 and all(len(gap.split()) <= 2 for gap in _BETWEEN_BOXES.findall(written)):
        yield ", ".join(parts), found.answer
    if several := _boxes(text, reference, found):
        yield reference, several
    if found.rule == "last_number" and (whole := _with_comma(text, found.answer)):
        yield reference, whole


def _with_comma(text: str, number: str) -> str | None:
    """`-12,74` where 74 was read as the last number of a text. Backwards from there, not by a pattern: that would try
    a run of a million digits elsewhere in the text from each of them."""
    before = text.rpartition(number)[0]
    digits = "".join(takewhile(lambda one: one == "-" or one.isdecimal(), reversed(before[:-1])))[::-1]
    return f"{digits},{number}" if before.endswith(",") and digits[-1:].isdecimal() else None


def _boxes(text: str, reference: str, found: Extracted) -> str | None:
    """For a reference of several parts as many boxes, the last ones: "\\boxed{1} papers and \\boxed{2} bins"."""
    wanted, said = parts_of_both(plain(reference), plain(found.answer))
    several = ("list", "values", "named")
    if found.rule != "boxed" or not wanted or wanted.kind not in several or (said and said.kind in several):
        return None
    boxes = all_boxed(text)[-len(wanted.items) :]
    return ", ".join(boxes) if len(boxes) == len(wanted.items) else None


def reads_as_math(reference: str) -> bool:
    """Whether a reference is a number or a formula, rather than words, a date or a time. Cheap."""
    if len(reference) > MAX_EXPRESSION:
        return False
    text = plain(reference)
    if len(text) > 1 and (words_of(text) or _DATE.search(text)):
        return bool(text[:1].isdigit() and read(text))
    return bool(read(text) or _FORMULA.search(text) or LETTER.fullmatch(text))
