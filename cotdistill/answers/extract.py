"""The final answer of a text, and by which rule it was found."""

import re
from typing import NamedTuple

from cotdistill.answers import boxes, prose
from cotdistill.answers.afterwords import without_check
from cotdistill.answers.announce import PROSE, first_announced, last_announced
from cotdistill.answers.box_edges import whole_answer
from cotdistill.answers.boxes import MAX_ANSWER, last_boxed, last_hashes, tidy
from cotdistill.answers.characters import in_ascii
from cotdistill.answers.corrections import STANDS, revision
from cotdistill.answers.hedges import HEDGE_AFTER, hedged
from cotdistill.answers.markup import as_seen

ANSWER_WINDOW = 64_000
"""The final answer is looked for in the last so many characters."""


class Extracted(NamedTuple):
    """A final answer as it is written, the rule that found it, and whether its language has a decimal comma."""

    answer: str
    rule: str
    comma: bool = False


def final_answer(text: str) -> Extracted | None:
    """The final answer of a text without its trace, by the first rule that finds one; None when none does.

    The rules, in order: "The final answer is x. I hope it is correct."; `<answer>x</answer>`; {"answer": x}; the last
    `\\boxed{}`; the last `#### x`; the last line or sentence that announces an answer; a text that is nothing but an
    answer; a first line that is; and, as a last resort, the equation, the formula or the number that ends the text.
    So what stands after an announced answer does not win over it, unless it takes that back. Digits of other scripts
    become ASCII.
    """
    text = _first_problem(in_ascii(as_seen(text[-ANSWER_WINDOW:])))
    for rule, find in _MARKED:
        found = find(text)
        if found is not None:
            found = found if rule == "boxed" else _not_taken_back(text, found)
            return Extracted(found[:MAX_ANSWER], rule) if found else None
    if (said := last_announced(text)) and not (said.weak and _goes_on(text, said.answer)):
        return Extracted(said.answer[:MAX_ANSWER], "answer_line", said.comma) if said.answer else None
    return last_resort(text)


def last_resort(text: str) -> Extracted | None:
    """What a text ends with, where nothing announces an answer."""
    text = in_ascii(as_seen(text[-ANSWER_WINDOW:]))
    for rule, find in _UNMARKED:
        if found := find(text):
            return Extracted(found[:MAX_ANSWER], rule)
    return None


def all_boxed(text: str) -> list[str]:
    """What stands in each box that is not empty, in order."""
    return boxes.all_boxed(text[-ANSWER_WINDOW:])


_CONCLUSION = re.compile(r"final answer is:? ?([^\n]{1,200}?)\.? I hope it is correct", re.IGNORECASE)
_NEXT_PROBLEM = re.compile(r"^[ \t*#]{0,6}(?:Q|Question|Problem|User|Human)[ \t*]{0,3}:", re.MULTILINE)
_SENTENCE = re.compile(r"[^\W\d_]{2,}(?: [^\W\d_]+){2,} |[A-Z][a-z]+ \d[^=\\]*(?: [a-z]{2,}){1}[^=\\]* [a-z]{2,} ")
"""It has too many words for an answer: "Il y a 25 …", "Adding 6 and 12 gives …"."""
_STATEMENT = re.compile(r"\d\S* (?:is|are|equals) \S*\d")
_IDEOGRAPHS = re.compile(r"[぀-鿿가-힣]{3}")
_IT_IS = re.compile(r"(?:it|that|there|this|here)['’]s ", re.IGNORECASE)
_FORMULA = re.compile(
    r"\$\$([^$]{1,1000})\$\$|(?<!\\)\$([^$\n]{1,400})(?<!\\)\$|\\\(([^\n]{1,400}?)\\\)|\\\[(.{1,400}?)\\\]", re.DOTALL
)
EXPLAINS = re.compile(
    r"[\s*_#>-]{0,8}(?:because|since|explanation|check|verif|note|here|this|reason|step|we|to|as|proof|let|first|the|for)\b",
    re.IGNORECASE,
)
_NEXT_STEP = re.compile(
    r"\b(?:then|next|now|so|therefore|thus|hence|finally|multiply|add|subtract|divide|and|but)\b", re.IGNORECASE
)


def _first_problem(text: str) -> str:
    """Without the next problem that a base model runs on to, once there is an answer."""
    if not _NEXT_PROBLEM.search(text):
        return text
    ends = [end for end in (boxes.first_marked(text), first_announced(text)) if end is not None]
    mark = _NEXT_PROBLEM.search(text, min(ends)) if ends else None
    return text[: mark.start()] if mark else text


def _goes_on(text: str, answer: str) -> bool:
    """Whether a text calculates further behind "the result is …"."""
    rest = text.rpartition(answer)[2]
    return bool(re.search(r"\d", rest)) and bool(_NEXT_STEP.search(rest))


def concluded(text: str) -> str | None:
    """The closing words of Minerva's prompt (Lewkowycz et al. 2022), which many models still end with."""
    found = list(_CONCLUSION.finditer(text))
    return (last_boxed(found[-1][1]) or tidy(found[-1][1]) or None) if found else None


def _whole(text: str) -> str | None:
    """A short single line that is no sentence is the answer itself: `\\frac{1}{2}`, `Paris`, `x = 3`."""
    line = re.sub(r"^(?:In|At) (?=\d)", "", text.strip())
    if "\n" in line or len(line) > 200 or _IT_IS.match(line) or _is_prose(line) or "<<" in line:
        return None
    if (
        ":" in line
        and not line.startswith("\\{")
        and not re.fullmatch(r"\S{0,40}\d\s?:\s?\d\S{0,40}(?: ?[ap]\.?m\.?)?", line, re.IGNORECASE)
    ):
        return None
    return None if "=" in line and _WORDS_BEFORE.match(line) else tidy(line).lstrip("= ")


_WORDS_BEFORE = re.compile(r"[A-Za-z]{2,30} |[^=]{0,200}(?<![\\A-Za-z])[A-Za-z]{4}[^=]{0,100}=")
"""`12 pages × 3 = 36 pages`: what is left of the sign is no answer."""


def _is_prose(line: str) -> bool:
    return (
        bool(PROSE.search(line))
        or bool(_SENTENCE.match(line))
        or bool(_STATEMENT.search(line))
        or bool(_IDEOGRAPHS.search(line) and re.search(r"\d", line))
        or "?" in line
    )


def _first_line(text: str) -> str | None:
    """An answer on the first line, in bold or before an explanation."""
    first, _, rest = text.strip().partition("\n")
    line, rest = first.strip(), rest.strip()
    bold = re.fullmatch(r"\*\*[^*]{1,60}\*\*[.:]?", line)
    if not rest or len(line) > 60 or _is_prose(line) or line.endswith(":") or not re.search(r"\d", line) or "=" in line:
        return None
    return tidy(line) if bold or EXPLAINS.match(rest) else None


def _last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2][-2000:]


_VALUES = re.compile(
    r"((?:[A-Za-z](?:_\w)? ?= ?[^=,;$]{1,60}?\$?(?:,|;|,? or|,? and) ?\$?){1,6}"
    r"[A-Za-z](?:_\w)? ?= ?[^=,;$]{1,60}?)\$?[.\s]*$"
)
"""Several values, each with the name: `x = 3 or x = -2`."""


def _last_equation(text: str) -> str | None:
    line = _last_line(without_check(text))
    if several := _VALUES.search(line[-500:]):
        return tidy(several[1].replace("$", ""))
    left, equals, right = line.rpartition("=")
    if re.match(r"\W*(?:let|assume|suppose|consider|if)\b", line, re.IGNORECASE):
        return None
    if left.endswith(("!", "<", ">")):
        return None
    right = tidy(right).strip("$ ") if right.count("$") == 1 and right.strip(" .*").endswith("$") else tidy(right)
    wrong = not equals or len(right) > 200 or "<<" in right or ">>" in right or "\\]" in right or "\\)" in right
    if wrong or PROSE.search(right) or HEDGE_AFTER.search(right) or "?" in right:
        return None
    return right or None


def _last_formula(text: str) -> str | None:
    """The formula that ends the text, with no number after it. Dollars that enclose words are currency signs."""
    tail = without_check(text)[-2000:]
    found = list(_FORMULA.finditer(tail))
    if not found or any(letter.isdigit() for letter in tail[found[-1].end() :]):
        return None
    if hedged(tail[: found[-1].start()], tail[found[-1].end() :]):
        return None
    formula = next(group for group in found[-1].groups() if group is not None).strip()
    words = re.search(
        r"[A-Za-z]{3}", re.sub(r"\\(?:begin|end)\{[a-zA-Z]{1,10}\}|\\[A-Za-z]+(?:\{[^{}]{0,40}\})?", "", formula)
    )
    return None if words or formula.endswith(("=", "+", "-")) else tidy(formula)


_CLOSES = re.compile(r"^\s*</[^<>\n]{1,20}>\s*")


def _not_taken_back(text: str, answer: str) -> str:
    """What is marked, or what stands instead behind it: "#### 18, sorry, 19"; "" where a text only takes it back."""
    rest = text.rpartition(answer)[2] if answer in text and answer else ""
    judged = revision(_CLOSES.sub("", rest)) if rest.strip() else STANDS
    return answer if judged.stands else judged.instead or ""


def _boxed(text: str) -> str | None:
    """The last box with what belongs to it; "" where the text goes on to say that it is wrong."""
    box = boxes.last_box(text)
    if box is None:
        return None
    judged = revision(text[box.end :], near=True)
    if not judged.stands:
        return judged.instead or ""
    return whole_answer(text, box) if box.alone else box.answer


_MARKED = (
    ("conclusion", concluded),
    ("tag", boxes.last_tagged),
    ("json", boxes.in_json),
    ("boxed", _boxed),
    ("hashes", last_hashes),
)
_UNMARKED = (
    ("whole", _whole),
    ("first_line", _first_line),
    ("equation", _last_equation),
    ("last_formula", _last_formula),
    ("last_number", prose.last_number),
)
