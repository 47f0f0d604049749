"""Whether two final answers are the same: numbers, equal texts, lists, sets, intervals and matrices are decided here,
what is left by algebra in a worker process.

A false accept is trained on, a false reject costs one sample. So where a spelling can mean two things, two answers
differ. What is read as equal and what is not stands in docs/verifiers.md.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from cotdistill.answers.angles import in_radians
from cotdistill.answers.cpu_budget import CpuBudget
from cotdistill.answers.dates import same_moment
from cotdistill.answers.inequalities import interval
from cotdistill.answers.letters import letters_in
from cotdistill.answers.numbers import Number, from_local, off_unit, read_number, with_point
from cotdistill.answers.ratios import range_of, ratio_of, remainder_of, same_range
from cotdistill.answers.rounding import same
from cotdistill.answers.special import special
from cotdistill.answers.spelling import LETTER, WORDS, folded, plain, same_letters, words_of
from cotdistill.answers.stated import stated
from cotdistill.answers.structure import UNORDERED, Parts, alike, are_matrices, parts_of_both, right_sides
from cotdistill.answers.symbolic import Compared, Comparer, Outcome, reason_to_refuse
from cotdistill.answers.unit_ratio import ratio
from cotdistill.answers.units import NONE
from cotdistill.records import Status

MAX_PARTS = 100

_OPTION = re.compile(r"(?:\(?([A-Z])[).:] )+(?=\S)")
_LITERAL = re.compile(r"\d:\d|\d\.\d+\.|\d_\{?\d")
"""A time, a version, a numeral in another base: right only if spelt alike, for algebra misreads them."""
_ASIDE = re.compile(r" \([^()]{1,80}\)$")
"""`18 (3 x 6)`: how the number was found."""
_RELATION = re.compile(r"[<>]|\\(?:[lg]e|ne)(?![a-z])")
_FOREIGN = re.compile(r"[^\W\d_a-zA-Z]")
_CONSTANT = re.compile(r"(?<=[+] )[cCkK]$|(?<=[+])[cCkK]$")
_INTERVAL = re.compile(r"[\[(].*,.*[\])]|\\(?:cup|in)(?![a-z])")
_PROSE = re.compile(r"[A-Za-z]{2,}[,:;.]? +[A-Za-z]{2,}")

_OUTCOMES: dict[Outcome, tuple[Status, str | None]] = {
    "equal": ("correct", None),
    "different": ("incorrect", None),
    "bad_reference": ("bad_reference", "the reference cannot be read as mathematics"),
    "no_answer": ("incorrect", "the answer cannot be read as mathematics"),
    "timeout": ("timeout", "the comparison did not end in time"),
    "error": ("error", "the comparison failed"),
}


class Ruling(NamedTuple):
    """The status of a comparison, the tier that decided (text, numeric, structure or symbolic), and why."""

    status: Status
    tier: str
    detail: str | None = None


@dataclass
class Equality:
    """Compares answers, `deadline_s` processor seconds each. It owns the worker process for algebra, which starts when
    the first formula needs it. Safe for several threads."""

    deadline_s: float = 5.0
    comparer: Comparer = field(default_factory=Comparer, repr=False, compare=False)

    def budget(self) -> CpuBudget:
        return CpuBudget(self.deadline_s)

    def equal(self, one: str, other: str, budget: CpuBudget | None = None) -> bool:
        """Whether two answers are the same; False where that is not certain within `deadline_s`, nor within `budget`,
        which several comparisons may share."""
        seconds = self.deadline_s if budget is None else min(budget.left(), self.deadline_s)
        own = CpuBudget(seconds)
        same = self.rule(plain(one), plain(other), own).status == "correct"
        if budget is not None:
            budget.spend(own.spent_elsewhere)
        return same

    def rule(self, gold: str, given: str, budget: CpuBudget) -> Ruling:
        """The cheap certainties; what they leave open goes on to `_rule_by_words` and then `_rule_by_structure`."""
        gold, given = in_radians(_in_signs(gold), _in_signs(given))
        if budget.left() < 0:  # sets of sets: every pair is tried
            return Ruling("timeout", "structure", _OUTCOMES["timeout"][1])
        if folded(gold) == folded(given) or ((kind := special(gold)) and kind == special(given)):
            return Ruling("correct", "text")
        if (ruling := _rule_by_kind(gold, given)) is not None:
            return ruling
        wanted, said = numbers(gold, given)
        if wanted and said is None and (aside := _ASIDE.search(given)):
            said = read_number(given[: aside.start()])
        gold, given = _exactly(gold, wanted), _exactly(given, said)
        if wanted and said:
            return Ruling("correct" if same(wanted, said) else "incorrect", "numeric")
        if LETTER.fullmatch(gold):
            said_letters = letters_in(given, {}) if len(given) > 1 else {given}
            return Ruling("correct" if said_letters == {gold.strip("()")} else "incorrect", "text")
        if option := _OPTION.match(given):
            return self.rule(gold, given[option.end() :], budget)
        if reason := reason_to_refuse(gold):
            return Ruling("bad_reference", "text", f"the reference is {reason}")
        return self._rule_by_words(gold, given, budget)

    def _rule_by_words(self, gold: str, given: str, budget: CpuBudget) -> Ruling:
        sides = right_sides(gold, given)
        if _LITERAL.search(gold) and sides != (gold, given):
            return self.rule(*sides, budget)
        if LETTER.fullmatch(gold) or WORDS.fullmatch(gold) or _LITERAL.search(gold) or _LITERAL.search(given):
            return Ruling("incorrect", "text")
        if reason := reason_to_refuse(given):
            return Ruling("incorrect", "text", f"the answer is {reason}")
        if words_of(given) and not words_of(gold):
            if "=" not in gold and given.count("=") == 1 and (ruling := self._rule_result(gold, given, budget)):
                return ruling
            number = stated(given)  # a part of the answer, or all of it where no number can be read: "1.cfry"
            if number and number != given:
                return self.rule(gold, number, budget)
            return Ruling("incorrect", "text", "the answer is prose")
        return self._rule_by_structure(gold, given, budget) if sides == (gold, given) else self.rule(*sides, budget)

    def _rule_by_structure(self, gold: str, given: str, budget: CpuBudget) -> Ruling:
        wanted, said = parts_of_both(gold, given)
        if wanted and said and alike(wanted, said):
            return self._rule_parts(wanted, said, budget)
        if any(_PROSE.search(item) and len(item.split()) > 3 for item in (wanted.items if wanted else [gold])):
            return Ruling("bad_reference", "text", "the reference is a sentence")
        if (wanted or said) and not (_RELATION.search(gold) or _RELATION.search(given) or are_matrices(gold, given)):
            return Ruling("incorrect", "structure")
        if "=" not in gold and given.count("=") == 1 and (ruling := self._rule_result(gold, given, budget)):
            return ruling
        if ("=" in gold) != ("=" in given):
            return Ruling("incorrect", "structure", "one side is an equation, the other is not")
        return self._rule_by_algebra(gold, given, budget)

    def _rule_result(self, gold: str, given: str, budget: CpuBudget) -> Ruling | None:
        """`(x-3)(x+3) = x^2-9` and `\\det(A) = -14` say their right side: the left one equals it, or only names it.
        Not so `2x = 4`, an equation still to be solved."""
        left, right = (side.strip() for side in given.split("="))
        if not left or not right or (ruling := self.rule(gold, right, budget)).status != "correct":
            return None
        names = _FUNCTION.fullmatch(left) and not _VARIABLE.search(left)
        return ruling if names or self.rule(right, left, budget).status == "correct" else None

    def _rule_parts(self, wanted: Parts, said: Parts, budget: CpuBudget) -> Ruling:
        """Each wanted part must be met by the part at its place, or in a set by one not used yet."""
        if len(wanted.items) != len(said.items) or len(wanted.items) > MAX_PARTS:
            return Ruling("incorrect", "structure")
        free = list(said.items)
        tiers: list[str] = []
        for item in wanted.items:
            rulings: list[Ruling] = []
            for place, candidate in enumerate(free if {wanted.kind, said.kind} & UNORDERED else free[:1]):
                rulings.append(self.rule(item, candidate, budget))
                if rulings[-1].status == "correct":
                    del free[place]
                    break
            else:
                return next((one for one in rulings if one.status != "incorrect"), rulings[-1])
            tiers.append(rulings[-1].tier)
        return Ruling("correct", "symbolic" if "symbolic" in tiers else "structure")

    def _rule_by_algebra(self, gold: str, given: str, budget: CpuBudget) -> Ruling:
        is_number = read_number(gold) is not None
        gold, unit = off_unit(gold)
        given, other = off_unit(given)
        if _CONSTANT.search(gold):  # of integration, whose letter is free
            given = _CONSTANT.sub(gold[-1], given)
        if "j" not in gold and re.search(r"(?<![A-Za-z])i(?![A-Za-z])", gold):  # engineers write the imaginary unit so
            given = re.sub(r"(?<![A-Za-z\\])j(?![A-Za-z])", "i", given)
        bare = given if _RELATION.search(gold) else gold
        if bool(_RELATION.search(gold)) != bool(_RELATION.search(given)) and not _INTERVAL.search(bare):
            return Ruling("incorrect", "text", "one side is an inequality, the other is not")
        if set(_FOREIGN.findall(gold)) != set(_FOREIGN.findall(given)):  # the parser would drop a word such as "не"
            return Ruling("incorrect", "text")
        if ratio(unit, other) != 1 or not same_letters(gold, given):
            return Ruling("incorrect", "text")
        left_s = budget.left()
        found = self.comparer.compare(gold, given, left_s) if left_s > 0 else Compared("timeout", 0.0)
        budget.spend(found.cpu_s)
        status, detail = _OUTCOMES[found.outcome]
        if status == "bad_reference" and is_number:  # read without algebra, which is asked for the answer's sake alone
            return Ruling("incorrect", "symbolic", "the answer cannot be read as mathematics")
        return Ruling(status, "symbolic", detail)


def _in_signs(text: str) -> str:
    """`x is at least 3` and "all real numbers" as the intervals they mean."""
    return (interval(text) or text) if words_of(text) else text


_AS_PEOPLE_WRITE = re.compile(r"\d[, '’_]\d{3}|^[A-Za-z]|\d[eE][-+]?\d")


def _exactly(text: str, number: Number | None) -> str:
    """A number that is spelt with groups or in words as digits, which algebra and lists read alike."""
    if number is None or number.unit != NONE or number.ordinal or not _AS_PEOPLE_WRITE.search(text):
        return text
    return str(number.value)


_FUNCTION = re.compile(r"\\?[A-Za-z]{1,8}\s?(?:\([^()]{1,40}\)|\\?\[[^\[\]]{1,40}\]|[A-Z])|\d+ ?\\?b?mod ?\d+")
"""`\\det(A)`, `P(X > 2)`, `E[X]`, `\\det A`"""
_VARIABLE = re.compile(r"\b[t-z]\b|\\theta")
_COMMA_AND_WORD = re.compile(r"-?\d{1,9},\d{1,9} ?[^\W\d_][^\d,]{0,40}")


def _decimal(text: str, other: Number | None) -> str:
    """`3,5` is a decimal where the other side is one: who lists 3 and 5 does not mean 3.5."""
    return from_local(with_point(text)) if other and other.decimals else with_point(text)


def numbers(gold: str, given: str) -> tuple[Number | None, Number | None]:
    """Both sides as numbers. 2,74 is a list, unless the other side is a number, or one of them has a unit behind the
    comma, as in `2,40` and `2,4 €`: who writes so lists nothing."""
    wanted, said = read_number(gold), read_number(given)
    if (wanted is None) != (said is None):
        if _COMMA_AND_WORD.fullmatch(given if wanted else gold):
            return wanted or read_number(from_local(gold)), said or read_number(from_local(given))
        return wanted or read_number(_decimal(gold, said)), said or read_number(_decimal(given, wanted))
    if wanted is not None or "," not in gold or "," not in given:
        return wanted, said
    wanted, said = read_number(from_local(gold)), read_number(from_local(given))
    if wanted and said and any(side.unit.money or side.unit.dimensions for side in (wanted, said)):
        return wanted, said
    return None, None


def _rule_by_kind(gold: str, given: str) -> Ruling | None:
    """Dates, times, ratios and ranges: a reference of such a kind is met by its own kind only."""
    moment = same_moment(gold, given) if ":" in gold or len(gold) > 2 else None
    if moment is not None and not (read_number(gold) and read_number(given)):
        return Ruling("correct" if moment else "incorrect", "text")
    if ":" in gold and (ratio := ratio_of(gold)):
        return Ruling("correct" if ratio_of(given) == ratio else "incorrect", "text")
    if given.count(":") > 1 and ratio_of(given):
        return Ruling("incorrect", "text")
    if _MAY_BE_RANGE.search(gold) and (limits := range_of(gold)):
        return Ruling("correct" if same_range(limits, range_of(given)) else "incorrect", "text")
    if left := remainder_of(gold):
        return Ruling("correct" if remainder_of(given) == left else "incorrect", "text")
    if (based := _BASED.fullmatch(given)) and gold == based[1]:
        return Ruling("correct", "text")
    return None


_MAY_BE_RANGE = re.compile(r"\d(?: ?- ?| ?to )\d|between")
_BASED = re.compile(r"(\d{1,64})_\{?(?:\d|1[0-6])\}?")
