"""What belongs to a boxed answer though it stands outside its box: a factor, a sign, a power, a unit."""

import re

from cotdistill.answers.boxes import Box
from cotdistill.answers.prose import unit_behind

_BEFORE = re.compile(
    r"(?:(?<![\w.\\}]))((?:-|\d{1,9}(?:\.\d{1,9})?|\\pi ?|\\sqrt ?\{[^{}]{1,20}\}|\\sqrt ?\d)(?:\\cdot ?|\\times ?)?)$"
)
_MONEY_BEFORE = re.compile(r"(?:\\\$|[€£¥₹])(?: ?\$)?$")
_BEHIND = re.compile(
    r"\\[,!;: ]?(?=\\sqrt|\\pi)|(\\sqrt ?(?:\[\d\])?(?:\{[^{}]{1,20}\}|\d)|\\pi(?![a-z])|\^ ?(?:\{[^{}]{1,20}\}|\d)"
    r"|[A-Za-z](?![A-Za-z'’])(?!\.\w))"
)
_TEXT_BEHIND = re.compile(
    r"(?:\\[,!;: ]|~|\\q?quad|\s){0,4}(\\?%|\^ ?(?:\{ ?\\circ ?\}|\\circ)"
    r"|\\(?:text|mathrm|textrm|mbox|rm) ?\{[^{}]{1,40}\}(?: ?\^ ?(?:\{-?\d\}|\d))?)"
)
_END_OF_FORMULA = re.compile(r"(?:\$\$?|\\\)|\\\]){1,2}")
_MAX_BEHIND = 80


def whole_answer(text: str, box: Box) -> str:
    """A box with what stands right at its edges: `2\\boxed{3}` is 2(3), `\\boxed{5}\\pi` is 5\\pi, `\\boxed{7}` km is
    7 km. Words that are no unit do not belong to it."""
    before = text[max(0, box.start - 40) : box.start]
    behind = text[box.end : box.end + _MAX_BEHIND]
    answer = box.answer
    factor, tail = _BEFORE.search(before), _BEHIND.match(behind)
    if (factor and not _is_bullet(text, box.start)) or (tail and tail[1]):
        inner = answer if re.fullmatch(r"\w+(?:\.\d+)?", answer) and not factor else f"({answer})"
        inner = answer if factor and factor[1] == "-" and re.fullmatch(r"[\d.]+", answer) else inner
        return f"{factor[1] if factor else ''}{inner}{tail[1] if tail and tail[1] else ''}"
    bare = not re.search(r"[A-Za-z]{2}|%", re.sub(r"\\[A-Za-z]+", "", answer))
    if bare and (unit := _unit(behind)):
        return f"{answer} {unit}"
    if money := _MONEY_BEFORE.search(before):
        return f"{money[0].strip(' $').lstrip(chr(92)) or '$'}{answer}"
    return answer


def _is_bullet(text: str, start: int) -> bool:
    """Whether the dash before a box begins a line."""
    return text[text.rfind("\n", 0, start) + 1 : start].strip(" $") == "-" and text[:start].rstrip().endswith("\n-")


def _unit(behind: str) -> str:
    """The unit behind a box, within its formula or in the words after that."""
    if found := _TEXT_BEHIND.match(behind):
        unit = re.sub(r"\\(?:text|mathrm|textrm|mbox|rm) ?\{([^{}]*)\}", r"\1", found[1]).strip()
        return found[1].strip() if unit[0] in "%\\^" else (unit_behind(f" {unit}", 0) or "").strip()
    if closes := _END_OF_FORMULA.match(behind):
        return (unit_behind(behind, closes.end()) or "").strip()
    return ""
