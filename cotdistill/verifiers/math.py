"""Mathematical answers: exact numbers and equal texts are decided here, the rest by algebra in a worker process."""

import re
from dataclasses import dataclass, field

from cotdistill.reasoning import Extracted, final_answer, split
from cotdistill.records import Response, Status, Verdict
from cotdistill.verifiers import _numbers
from cotdistill.verifiers._symbolic import Comparer, Outcome

MAX_EXPRESSION = 1_000
"""Characters; a longer answer is no final answer, and a parser's time grows faster than its input."""

MAX_NESTING = 32

_STATUS: dict[Outcome, Status] = {
    "equal": "correct",
    "different": "incorrect",
    "bad_reference": "bad_reference",
    "no_answer": "incorrect",
    "timeout": "timeout",
    "error": "error",
}
_WORDS = re.compile(r"[^\W\d_]+(?:[ '-][^\W\d_]+)*")
_MATHEMATICS = re.compile(r"\d|\\[A-Za-z]+|[=^_{}+*/<>|]|^[A-Za-z]$|^\(.*\)$|∞|π|√")
_BASE = re.compile(r"_\{?\d+\}?$")
_TOWER = re.compile(r"\^[^^]{0,40}\^|\^\s*\{?\s*[-+]?\d{5,}|\d{5,}\s*!|!\s*!|\\binom\s*\{[^{}]{5,}")


@dataclass
class Verifier:
    """Numbers, fractions, percentages, LaTeX expressions, sets and intervals; by value, not by spelling."""

    deadline_s: float = 5.0
    _comparer: Comparer = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._comparer = Comparer(self.deadline_s)

    def judge(self, response: Response) -> Verdict:
        """`bad_reference` for a prompt whose reference is missing or unreadable: nothing can be right then."""
        reference = response.prompt.reference
        if reference is None or not reference.strip():
            return Verdict(status="bad_reference", method="none", detail="the prompt has no reference")
        visible = split(response.text)
        found = final_answer(visible.answer) if visible.closed else None
        if found is None:
            detail = None if visible.closed else "the reasoning does not end"
            return Verdict(status="no_answer", reference=reference, method="none", detail=detail)
        return self._compare(reference, found)

    def _compare(self, reference: str, found: Extracted) -> Verdict:
        status, tier = self._decide(_numbers.plain(reference), _numbers.plain(_right_side(found.answer, reference)))
        return Verdict(status=status, answer=found.answer, reference=reference, method=f"{tier}/{found.rule}")

    def _decide(self, reference: str, answer: str) -> tuple[Status, str]:
        """Cheap certainties first. False accepts are worse than false rejects: they are trained on."""
        if _folded(reference) == _folded(answer):
            return "correct", "text"
        gold, given = _numbers.read(reference), _numbers.read(answer)
        if gold and given:
            return ("correct" if _numbers.same(gold, given) else "incorrect"), "numeric"
        if _WORDS.fullmatch(reference) and (len(reference) > 1 or _WORDS.fullmatch(answer)):
            return "incorrect", "text"  # letters are a word, not a product: even is not neve, and A is not a
        if bool(_BASE.search(reference)) != bool(_BASE.search(answer)):
            return "incorrect", "text"  # 1011 in base 2 is not 1011
        if not readable(reference):
            return "bad_reference", "text"
        if not readable(answer):
            return "incorrect", "text"
        return _STATUS[self._comparer.compare(reference, answer)], "symbolic"


def reads_as_math(reference: str) -> bool:
    """Whether a reference is a number or an expression, rather than words. Cheap."""
    return bool(_numbers.read(reference)) or bool(_MATHEMATICS.search(_numbers.plain(reference)))


def readable(expression: str) -> bool:
    """Whether a parser may have it: short, not deeply nested, and no tower of powers that would never end."""
    if not expression or len(expression) > MAX_EXPRESSION or _TOWER.search(expression):
        return False
    depth = deepest = 0
    for letter in expression:
        depth += (letter in "({[") - (letter in ")}]")
        deepest = max(deepest, depth)
    return deepest <= MAX_NESTING and expression.isprintable()


def _right_side(answer: str, reference: str) -> str:
    """`x = 3` answers 3; where the reference is an equation itself, it stays one."""
    name, equals, value = answer.partition("=")
    return value.strip() if equals and "=" not in reference and "=" not in value and len(name.strip()) < 20 else answer


def _folded(text: str) -> str:
    """Equal but for spaces and, in words, case; a single letter keeps its case, for A is not a."""
    squeezed = "".join(text.split())
    return squeezed.lower() if _WORDS.fullmatch(text) and len(text) > 1 else squeezed
