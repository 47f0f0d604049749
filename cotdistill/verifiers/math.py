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
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from cotdistill.reasoning import NUMBER, cut_reference, final_answer, split
from cotdistill.records import Response, Status, Verdict
from cotdistill.verifiers._symbolic import MAX_EXPRESSION, Comparer, Outcome, reason_to_refuse

MAX_PARTS = 100

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
        found = final_answer(visible.answer)
        if found is None:
            detail = "no final answer in the text" if visible.closed else "the reasoning does not end"
            return Verdict(status="no_answer", reference=reference, method="none", detail=detail)
        ruling = self._rule(plain(reference), plain(found.answer), time.monotonic() + self.deadline_s)
        return Verdict(
            status=ruling.status,
            answer=found.answer,
            reference=reference,
            method=f"{ruling.tier}/{found.rule}",
            detail=ruling.detail,
        )

    def _rule(self, gold: str, given: str, until: float) -> _Ruling:
        """The cheap certainties; what they leave open goes on to `_rule_by_structure`."""
        if time.monotonic() > until:  # sets of sets: every pair is tried
            return _Ruling("timeout", "structure", _OUTCOMES["timeout"][1])
        if _folded(gold) == _folded(given):
            return _Ruling("correct", "text")
        wanted, said = read(gold), read(given)
        if wanted and said:
            return _Ruling("correct" if same(wanted, said) else "incorrect", "numeric")
        if option := _OPTION.match(given):
            given = option[1] if _LETTER.fullmatch(gold) else given[option.end() :]
            return self._rule(gold, given, until)
        if reason := reason_to_refuse(gold):
            return _Ruling("bad_reference", "text", f"the reference is {reason}")
        if _LETTER.fullmatch(gold) or _WORDS.fullmatch(gold) or _LITERAL.search(gold) or _LITERAL.search(given):
            return _Ruling("incorrect", "text")
        if reason := reason_to_refuse(given):
            return _Ruling("incorrect", "text", f"the answer is {reason}")
        if _words(given) and not _words(gold):
            stated = _stated(given)
            return self._rule(gold, stated, until) if stated else _Ruling("incorrect", "text", "the answer is prose")
        sides = _right_side(gold, given), _right_side(given, gold)
        return self._rule_by_structure(gold, given, until) if sides == (gold, given) else self._rule(*sides, until)

    def _rule_by_structure(self, gold: str, given: str, until: float) -> _Ruling:
        wanted, said = parts(gold), parts(given)
        if wanted and said and (wanted.kind == said.kind or {wanted.kind, said.kind} in _TWO_VALUES):
            return self._rule_parts(wanted, said, until)
        if any(_PROSE.search(item) and len(item.split()) > 3 for item in (wanted.items if wanted else [gold])):
            return _Ruling("bad_reference", "text", "the reference is a sentence")
        if (wanted or said) and not (_RELATION.search(gold) or _RELATION.search(given)):
            return _Ruling("incorrect", "structure")
        if ("=" in gold) != ("=" in given):
            return _Ruling("incorrect", "structure", "one side is an equation, the other is not")
        return self._rule_by_algebra(gold, given, until)

    def _rule_parts(self, wanted: "Parts", said: "Parts", until: float) -> _Ruling:
        """Each wanted part must be met by the part at its place, or in a set by one not used yet."""
        if len(wanted.items) != len(said.items) or len(wanted.items) > MAX_PARTS:
            return _Ruling("incorrect", "structure")
        free = list(said.items)
        tiers: list[str] = []
        for item in wanted.items:
            rulings: list[_Ruling] = []
            for place, candidate in enumerate(free if {wanted.kind, said.kind} & _UNORDERED else free[:1]):
                rulings.append(self._rule(item, candidate, until))
                if rulings[-1].status == "correct":
                    del free[place]
                    break
            else:
                return next((one for one in rulings if one.status != "incorrect"), rulings[-1])
            tiers.append(rulings[-1].tier)
        return _Ruling("correct", "symbolic" if "symbolic" in tiers else "structure")

    def _rule_by_algebra(self, gold: str, given: str, until: float) -> _Ruling:
        gold, unit = _off_unit(gold)
        given, other = _off_unit(given)
        if (unit and other and unit != other) or not _same_letters(gold, given):
            return _Ruling("incorrect", "text")
        left_s = until - time.monotonic()
        outcome: Outcome = self._comparer.compare(gold, given, left_s) if left_s > 0 else "timeout"
        status, detail = _OUTCOMES[outcome]
        return _Ruling(status, "symbolic", detail)


def reads_as_math(reference: str) -> bool:
    """Whether a reference is a number or a formula, rather than words, a date or a time. Cheap."""
    if len(reference) > MAX_EXPRESSION:
        return False
    text = plain(reference)
    if len(text) > 1 and (_words(text) or _DATE.search(text)):
        return bool(text[:1].isdigit() and read(text))
    return bool(read(text) or _FORMULA.search(text) or _LETTER.fullmatch(text))


# Spelling ------------------------------------------------------------------------------------------------------------

_UNICODE = str.maketrans(
    {
        "−": "-", "–": "-", "π": "\\pi ", "∞": "\\infty ", "≤": "\\le ", "≥": "\\ge ", "∪": "\\cup ", "∈": "\\in ",
        "×": "\\times ", "·": "\\cdot ", "√": "\\sqrt ", "²": "^2", "³": "^3", "°": " degrees ", "½": "\\frac{1}{2}",
    }
)  # fmt: skip
_SIMPLE = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?")
_REWRITES = (
    (re.compile(r"\^\s?(?:\{\s?\\circ\s?\}|\\circ)"), " degrees "),
    (re.compile(r"\\(?:text|textbf|mathrm|mathbf|mathit|textit|mbox|operatorname)\s?\{([^{}]*)\}"), r" \1 "),
    (re.compile(r"\\(?:left|right|displaystyle|limits|big|Big|bigg|Bigg|[bB]igg?[lr])(?![A-Za-z])"), ""),
    (re.compile(r"(?<=\d)(?:\\,|\\!|\{,\}|\\!,|,\\!) ?(?=\d{3})"), ","),
    (re.compile(r"(?<!\\)\\[,!;: ]|~|\\q?quad(?![A-Za-z])|\s+"), " "),
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\langle(?![A-Za-z]) ?"), "("),
    (re.compile(r" ?\\rangle(?![A-Za-z])"), ")"),
    (re.compile(r"\\lbrace(?![A-Za-z])"), r"\\{"),
    (re.compile(r"\\rbrace(?![A-Za-z])"), r"\\}"),
)


@lru_cache(1024)
def plain(text: str) -> str:
    """Without the dressing that says nothing: `$…$`, `\\text{…}`, thin spaces, bold stars, a final point."""
    text = text.strip()
    if _SIMPLE.fullmatch(text):
        return text
    text = text.translate(_UNICODE).replace("\\$", "$").replace("\\%", "%")
    for pattern, instead in _REWRITES:
        text = pattern.sub(instead, text)
    text = text.strip("*` ").rstrip(".,;").strip()
    text = text.removeprefix("\\(").removesuffix("\\)").removeprefix("\\[").removesuffix("\\]")
    if len(text) > 1 and text[0] == text[-1] == "$":
        text = text[1:-1]
    return (text[:-1] if text.count("$") == 1 and text.endswith("$") else text).strip().rstrip(".").strip()


_WORDS = re.compile(r"[^\W\d_]{2,}(?:[ '-][^\W\d_]+)*")
_LETTER = re.compile(r"\(?[A-Z]\)?")
_OPTION = re.compile(r"(?:\(?([A-Z])[).:] )+(?=\S)")
_LITERAL = re.compile(r"\d:\d|\d\.\d+\.|\d_\{?\d")
"""A time, a version, a numeral in another base: right only if spelt alike, for algebra misreads them."""
_DATE = re.compile(r"\d[-/]\d+[-/]\d|\d:\d|\d\.\d+\.")
_RELATION = re.compile(r"[<>]|\\[lg]eq?(?![a-z])")
_FORMULA = re.compile(r"\d|\\[A-Za-z]|[=^_{}+*/<>|]|^\(.*\)$|^[A-Za-z]$")
_COMMAND = re.compile(r"\\[A-Za-z]+|\b(?:sqrt|sin|cos|tan|cot|sec|csc|log|exp|mod|max|min|gcd|lcm|frac|and)\b")
_LONG_WORD = re.compile(r"[A-Za-z]{3,}")
_PROSE = re.compile(r"[A-Za-z]{2,}[,:;.]? +[A-Za-z]{2,}")
_HEDGE = re.compile(r"\b(?:not|[a-z]{2,8}n't|no|nor|between|about|under)\b", re.IGNORECASE)
_REASON = re.compile(r"[;(]|, |\b(?:because|since|as|which|so)\b")
_NAME = re.compile(
    r"(?:[A-Za-z](?:_\{?\w{1,5}\}?)?'?(?:\([A-Za-z]\))?|[A-Z]{2,3}|[A-Za-z][A-Za-z ]{3,30}) ?(?:=|\\in|is\b) ?(?=\S)"
)
_SUM = re.compile(r"(?:[\d+*/. ()$-]|\\times|\\cdot|\\div){1,100}= ?(?=\S)")


def _folded(text: str) -> str:
    """One spelling of equal texts: no space but between digits, no braces around one letter, no case in words."""
    if _WORDS.fullmatch(text):
        words = " ".join(text.split())
        return words.casefold() if len(words) > 2 or words.lower() == "no" else words
    if _LETTER.fullmatch(text):
        return text.strip("()")
    return re.sub(r"(?<!\d) | (?!\d)", "", re.sub(r"([_^])\{(\w)\}", r"\1\2", text))


def _words(text: str) -> list[str]:
    """The words of a text, but for a unit at its end; `2\\sin x` has none."""
    return _LONG_WORD.findall(_COMMAND.sub(" ", _off_unit(text)[0]))


def _stated(prose: str) -> str | None:
    """The one number or formula that a sentence states, unless it hedges: "18, which is 2 more than 16" -> 18."""
    formulas = re.findall(r"\$([^$]{1,200})\$", prose)
    if len(formulas) == 1 and not NUMBER.search(prose.replace(formulas[0], "")):
        return str(formulas[0]).strip()
    head = _REASON.split(prose)[0] if prose[:1].isdigit() else prose
    numbers = {found[0].strip() for found in NUMBER.finditer(head.rpartition("=")[2])}
    return numbers.pop() if len(numbers) == 1 and not _HEDGE.search(head) and not _SCALE.search(head) else None


def _right_side(text: str, other: str) -> str:
    """`x = 3` and `1 + 2 = 3` answer 3; where the other side has a name too, they keep theirs."""
    if not _NAME.match(other):
        while name := _NAME.match(text):
            text = text[name.end() :]
    while result := _SUM.match(text):
        text = text[result.end() :]
    return text.strip()


def _same_letters(gold: str, given: str) -> bool:
    """Algebra folds A to a, and takes words for products; neither may decide."""
    ours, theirs = (set(re.findall(r"[A-Za-z]", _COMMAND.sub(" ", side))) for side in (gold, given))
    shared = {letter.lower() for letter in ours} & {letter.lower() for letter in theirs}
    same_case = {letter for letter in ours if letter.lower() in shared} == {
        letter for letter in theirs if letter.lower() in shared
    }
    same_primes = gold.count("'") == given.count("'")
    return same_case and same_primes and sorted(_words(gold)) == sorted(_words(given))


# Structure -----------------------------------------------------------------------------------------------------------


class Parts(NamedTuple):
    """`kind` is the pair of brackets, "list", "union" or the size of a matrix; only equal kinds can be equal."""

    kind: str
    items: list[str]


_UNORDERED = {"{}", "union", "pm"}
_TWO_VALUES = ({"pm", "list"}, {"pm", "{}"})
"""`\\pm 3` answers 3, -3 in any order."""
_MATRIX = re.compile(
    r"[(\[]? ?\\begin ?\{(?:[pbB]?matrix|array\} ?\{[clr| ]{1,20})\}(.*)\\end ?\{(?:[pbB]?matrix|array)\} ?[)\]]?",
    re.DOTALL,
)


@lru_cache(1024)
def parts(text: str) -> Parts | None:
    """What a list, set, tuple, interval, union or matrix is made of; None for a single expression."""
    if text.count("\\pm") == 1:
        return Parts("pm", [plain(text.replace("\\pm", sign)) for sign in "+-"])
    if matrix := _MATRIX.fullmatch(text):
        rows = [row.split("&") for row in re.split(r"\\\\(?:\[\w+\])?", matrix[1]) if row.strip()]
        return Parts("matrix" + ",".join(str(len(row)) for row in rows), [plain(cell) for row in rows for cell in row])
    for kind, pattern in (("union", r"\\cup(?![a-z])"), ("list", r",|;| and | or ")):
        if len(items := _top_level(text, pattern)) > 1:
            return Parts(kind, items)
    inner = re.fullmatch(r"(?:\\?([\[({]))(.*?)(?:\\?([\])}]))", text, re.DOTALL)
    if not inner or not _one_bracket(text):
        return None
    items = _top_level(inner[2], r"[,;]")
    return Parts(inner[1] + inner[3], items) if len(items) > 1 or inner[1] == "{" else None


def _top_level(text: str, separator: str) -> list[str]:
    """Split where no bracket is open."""
    items, start, depth = [], 0, 0
    for token in re.finditer(rf"[\[({{]|[\])}}]|(?P<cut>{separator})", text):
        if token["cut"] and depth == 0:
            items.append(text[start : token.start()])
            start = token.end()
        elif not token["cut"]:
            depth += 1 if token[0] in "[({" else -1
    return [plain(item) for item in [*items, text[start:]]]


def _one_bracket(text: str) -> bool:
    """Whether the first bracket closes at the end, unlike in (a)(b)."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter in "[({") - (letter in "])}")
        if depth == 0 and letter in "])}":
            return place == len(text) - 1
    return False


# Numbers -------------------------------------------------------------------------------------------------------------

_SHORT_UNITS = {
    "m", "g", "s", "h", "l", "L", "cm", "mm", "km", "kg", "mg", "ml", "mL", "ft", "in", "lb", "lbs", "oz", "hr", "hrs",
    "mi", "yd", "Hz", "am", "pm", "USD", "sq", "cu",
}  # fmt: skip
_UNIT_NAMES = {
    "dollar": "$", "usd": "$", "euro": "€", "centimeter": "cm", "centimetre": "cm", "meter": "m", "metre": "m",
    "kilometer": "km", "kilometre": "km", "millimeter": "mm", "millimetre": "mm", "gram": "g", "kilogram": "kg",
    "liter": "l", "litre": "l", "hour": "h", "hr": "h", "minute": "min", "second": "s", "sec": "s",
    "inche": "in", "inch": "in", "foot": "ft", "feet": "ft", "mile": "mi",
}  # fmt: skip
_SCALE = re.compile(
    r"\b(?:hundred|thousand|[mbtr]{1,2}illion|dozen|half|halves|thirds?|quarters?|fifths?|plus|minus|times|and|or|more"
    r"|less|fewer|most|least|than|over|squared|cubed|factorial|mod|base|point|remainder|not|if|is|sqrt|sin|cos|tan|log"
    r"|sec|exp)\b"
)
"""Words that make another number of the number before them."""
_UNIT_WORD = re.compile(r"([A-Za-z$€£]+)\.?((?:\^\{?|\*\*)?[23]\}?)?(?:/([A-Za-z]+)(?:\^?[23])?)?")
_GLUE = frozenset({"a", "an", "of", "per", "the", "each", "to"})
_VALUE = re.compile(
    r"(?P<sign>[-+]?) ?(?P<currency>[$€£]?) ?(?P<inner>-?)"
    r"(?:(?P<whole>\d{1,4}) (?=\d+/\d+(?![\d.])))?"
    r"(?P<digits>(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?: \d{3})+(?![\d/])|\d+)(?:\.\d*)?|\.\d+)"
    r"(?:[eE](?P<exponent>[-+]?\d{1,3})(?![\d.]))?(?: ?/ ?(?P<under>\d+(?:\.\d+)?))?(?P<rest>(?: ?[%$€£A-Za-z].*)?)"
)
_FRACTION = re.compile(r"(\d? ?)\\frac ?(?:\{ ?(\d[\d.,]*) ?\}|(\d)) ?(?:\{ ?(\d[\d.]*) ?\}|(\d))(?! ?[\d.({\\^!_])")
_POWER_OF_TEN = re.compile(r" ?(?:\\times|\\cdot|\*) ?10 ?\^ ?(?:\{ ?([-+]?\d{1,3}) ?\}|([-+]?\d{1,3}))(?!\d)")
_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


class Number(NamedTuple):
    """An exact value with what was written around it. `decimals` counts digits after the point; None: a fraction."""

    value: Fraction
    percent: bool
    currency: str
    unit: str
    decimals: int | None


@lru_cache(1024)
def read(text: str) -> Number | None:
    """One number in a plain text: 1,234.50 · $18 · 3/4 · 1 1/2 · \\frac{3}{4} · 6.02\\times10^{23} · 50 % · 12 eggs."""
    if len(text) > MAX_EXPRESSION:
        return None
    found = _VALUE.fullmatch(_FRACTION.sub(_slash, _POWER_OF_TEN.sub(r"e\1\2", _spelt_out(text))))
    if found is None:
        return None
    rest = found["rest"].strip()
    percent = re.match(r"%|per ?cent(?:age)?\b", rest)
    unit = _unit(found["rest"] if not percent else rest[percent.end() :])
    under = Fraction(found["under"] or 1)
    if unit is None or not under:
        return None
    digits = re.sub(r"[, ]", "", found["digits"]).rstrip(".")
    value = Fraction(digits) * Fraction(10) ** int(found["exponent"] or 0) / under + int(found["whole"] or 0)
    if (found["sign"] == "-") != bool(found["inner"]):
        value = -value
    decimals = None if found["under"] else len(digits.partition(".")[2])
    currency = found["currency"] or (unit if unit in ("$", "€", "£") else "")
    return Number(value, bool(percent), currency, "" if unit == currency else unit, decimals)


def same(gold: Number, given: Number) -> bool:
    """Equality by the conventions at the head of this module."""
    units = (gold.currency, given.currency), (gold.unit, given.unit)
    if any(ours and theirs and ours != theirs for ours, theirs in units):
        return False
    if gold.percent != given.percent:
        percent, bare = (gold, given) if gold.percent else (given, gold)
        return percent.value == bare.value * (100 if abs(bare.value) <= 1 else 1)
    return gold.value == given.value or _rounds(gold, given) or _rounds(given, gold)


def _rounds(exact: Number, decimal: Number) -> bool:
    if exact.decimals is not None or not decimal.decimals or decimal.decimals < 2 or not _endless(exact.value):
        return False
    scaled = decimal.value * 10**decimal.decimals
    return bool(abs(scaled) >= 100 and abs(exact.value * 10**decimal.decimals - scaled) * 2 <= 1)


def _endless(value: Fraction) -> bool:
    """Whether the decimal expansion goes on for ever: the denominator has a prime besides 2 and 5."""
    return bool(pow(10, value.denominator.bit_length(), value.denominator))


def _unit(rest: str) -> str | None:
    """The unit in one spelling, "" for none, None for words that are none: 5 million, 5x, 3 and 4."""
    words = rest.split()
    found = [_UNIT_WORD.fullmatch(word) for word in words]
    if not words or len(words) > 6 or not all(found) or _SCALE.search(rest) or words[-1] in _GLUE:
        return None if words else ""
    if len(words[0]) == 1 and words[0].isalpha() and not rest.startswith(" "):
        return None  # 5m is a product, 5 m a length
    names = [(word[1], word[3] or "") for word in found if word]
    if not all(_is_unit(name) and (not per or _is_unit(per)) for name, per in names):
        return None
    return " ".join(_UNIT_NAMES.get(word.lower().removesuffix("s"), word.lower().removesuffix("s")) for word in words)


def _is_unit(word: str) -> bool:
    return word in _SHORT_UNITS or word in _GLUE or word in "$€£" or (len(word) >= 3 and word[1:].islower())


def _off_unit(text: str) -> tuple[str, str]:
    """An expression and the unit after it."""
    words = text.split(" ")
    for start in range(max(1, len(words) - 4), len(words)):
        if words[start] not in _GLUE and (unit := _unit(" " + " ".join(words[start:]))):
            return " ".join(words[:start]), unit
    return text, ""


def _slash(found: re.Match[str]) -> str:
    before, over, under = found[1], found[2] or found[3], found[4] or found[5]
    return f"{before.strip()} {over}/{under}" if before.strip() else f"{before}{over}/{under}"


def _spelt_out(text: str) -> str:
    """`twenty-one eggs` -> `21 eggs`."""
    if not text[:1].isalpha():
        return text
    found = re.match(r"([A-Za-z]{3,9})(?:[- ]([a-z]{3,5}))?(?![A-Za-z-])", text)
    first, second = (found[1].lower(), found[2]) if found else ("", None)
    if first in _SMALL and found:
        return f"{_SMALL.index(first)}{text[found.end(1) :]}"
    if first not in _TENS or not found:
        return text
    ones = _SMALL.index(second) if second in _SMALL[1:10] else 0
    return f"{20 + 10 * _TENS.index(first) + ones}{text[found.end(2 if ones else 1) :]}"
