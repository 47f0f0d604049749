"""Inequalities, in signs and in words, as the intervals they mean."""

import re
from functools import lru_cache
from itertools import pairwise

_BOUND = r"([^<>=,\\]{1,40}|-?\\infty ?|-?\\[a-z]+\{[^<>=]{1,40}\})"
_VARIABLE = r"([A-Za-z](?:\([A-Za-z]\))?)"
_BETWEEN = re.compile(rf"{_BOUND} ?(<|\\le(?![a-z])) ?{_VARIABLE} ?(<|\\le(?![a-z])) ?{_BOUND}")
_BEYOND = re.compile(rf"{_VARIABLE} ?(<|>|\\[lg]e(?![a-z])) ?{_BOUND}")
_TURNED = re.compile(rf"{_BOUND} ?(<|>|\\[lg]e(?![a-z])) ?{_VARIABLE}")
_ABSOLUTE = re.compile(r"(?:\||\\lvert ?)([A-Za-z])(?:\||\\rvert) ?(<|>|\\[lg]e(?![a-z])) ?([^<>=,\\|]{1,40})")
_UNEQUAL = re.compile(r"([A-Za-z]) ?\\ne(?![a-z]) ?([^<>=,]{1,40})")
_SET_OF = re.compile(
    r"\\?\{ ?[A-Za-z](?: ?\\in(?![a-z]) ?\\mathbb ?\{?R\}?)? ?(?::|\||\\mid(?![a-z])) ?([^{}]{1,80}?)\\?\}"
)
_OUTWARD = re.compile(r"(?=\]|.*\[$)([\[\]])([^\[\]]{1,80}[,;][^\[\]]{1,80})([\[\]])")
"""Half-open in the European way: `[0,1[`, `]0,1]`."""

_REALS = re.compile(
    r"(?:[A-Za-z] ?\\in ?)?(?:\\mathbb ?\{?R\}?|\\R|(?:the set of )?(?:all )?(?:the )?(?:real numbers|reals)"
    r"|all real (?:values|x)(?: of [a-z])?)(?P<rest>.{0,60})",
    re.IGNORECASE,
)
_BUT = re.compile(
    r" ?,? ?(?:\\setminus|\\backslash|-|except(?: for)?|but|other than|excluding|without) ?(?:[A-Za-z] ?= ?)?"
    r"(?:\\?\{ ?([^{},;]{1,30}?) ?\\?\}|([^{},;]{1,30}))"
)
_OR = re.compile(r" ?(?:(?<![A-Za-z\\])or(?![a-z])|\\lor(?![a-z])|\\vee(?![a-z])) ?")
_AND = re.compile(r" ?(?:(?<![A-Za-z\\])and(?![a-z])|\\land(?![a-z])|\\wedge(?![a-z])) ?")
_IN_WORDS = (
    (re.compile(r" (?:is|are|must be) (?:less|smaller|fewer) than or equal to "), r" \\le "),
    (re.compile(r" (?:is|are|must be) (?:greater|more|larger|bigger) than or equal to "), r" \\ge "),
    (re.compile(r" (?:is|are|must be) at least "), r" \\ge "),
    (re.compile(r" (?:is|are|must be) at most "), r" \\le "),
    (re.compile(r" (?:is|are|must be) (?:strictly )?(?:less|smaller) than "), " < "),
    (re.compile(r" (?:is|are|must be) (?:strictly )?(?:greater|more|larger|bigger) than "), " > "),
)
_ALL_NUMBERS = re.compile(
    r"^(?:the set of )?(?:all )?(?:real )?numbers (?:(?:that|which) are )?(?=\w+ than |at )", re.I
)


def in_signs(text: str) -> str:
    """`x is less than or equal to 5` -> `x \\le 5`."""
    if " than " in text or " at " in text:
        text = _ALL_NUMBERS.sub("x is ", text)
        for words, sign in _IN_WORDS:
            text = words.sub(sign, text)
    return text


@lru_cache(1024)
def interval(text: str) -> str | None:
    """An inequality of one variable as the interval or the union it means: `1 < x \\le 2` -> `(1,2]`, `|x| > 3` ->
    `(-\\infty,-3)\\cup(3,\\infty)`, "all real numbers except 2" likewise; None for any other text."""
    if len(text) > 200:
        return None
    text = in_signs(text)
    if found := _SET_OF.fullmatch(text):
        return interval(found[1].strip())
    return _single(text) or _reals(text) or _of_several(text)


def variable_of(text: str) -> str | None:
    """The one letter that an inequality is about."""
    letters = set(re.findall(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])", in_signs(text)))
    return letters.pop() if len(letters) == 1 else None


def _single(text: str) -> str | None:
    if found := _BETWEEN.fullmatch(text):
        low, left, _, right, high = found.groups()
        return f"{'(' if left == '<' else '['}{low.strip()},{high.strip()}{')' if right == '<' else ']'}"
    if (found := _ABSOLUTE.fullmatch(text)) and not found[3].lstrip().startswith("-"):
        closed, bound = found[2].startswith("\\"), found[3].strip()
        if found[2] in ("<", "\\le"):
            return f"{'[' if closed else '('}-{bound},{bound}{']' if closed else ')'}"
        return f"{_beyond('<' + '=' * closed, '-' + bound)}\\cup{_beyond('>' + '=' * closed, bound)}"
    if (found := _UNEQUAL.fullmatch(text)) and not re.search("[A-Za-z]", found[2].replace("\\sqrt", "")):
        return _without([found[2].strip()])
    if found := _OUTWARD.fullmatch(text):
        return f"{'(' if found[1] == ']' else '['}{found[2]}{')' if found[3] == '[' else ']'}"
    if found := _BEYOND.fullmatch(text):
        return _beyond(found[2].replace("\\le", "<=").replace("\\ge", ">="), found[3].strip())
    if (found := _TURNED.fullmatch(text)) and not re.search("[A-Za-z]", found[1].replace("\\infty", "")):
        turned = {"<": ">", ">": "<", "\\le": ">=", "\\ge": "<="}[found[2]]
        return _beyond(turned, found[1].strip())
    return None


def _beyond(sign: str, bound: str) -> str:
    closed = sign.endswith("=")
    if sign[0] == ">":
        return f"{'[' if closed else '('}{bound},\\infty)"
    return f"(-\\infty,{bound}{']' if closed else ')'}"


def _without(points: list[str]) -> str:
    ends = ["-\\infty", *points, "\\infty"]
    return "\\cup".join(f"({low},{high})" for low, high in pairwise(ends))


def _reals(text: str) -> str | None:
    found = _REALS.fullmatch(text)
    if found is None:
        return None
    if not found["rest"].strip():
        return "(-\\infty,\\infty)"
    but = _BUT.fullmatch(found["rest"])
    point = (but[1] or but[2]).strip() if but else ""
    return _without([point]) if point and not re.search(r"[A-Za-z]{2}", point.replace("\\sqrt", "")) else None


def _of_several(text: str) -> str | None:
    """`x < 1 or x > 2` is a union; `x > 1 and x < 2` what both have."""
    for joint in (_OR, _AND):
        sides = joint.split(text)
        if len(sides) < 2 or len(sides) > 4:
            continue
        if len({variable_of(side) for side in sides} | {variable_of(text)}) > 1 or variable_of(text) is None:
            return None
        ranges = [_single(side.strip(" ,")) for side in sides]
        if joint is _OR:
            return "\\cup".join(one for one in ranges if one) if all(ranges) else None
        above = [one for one in ranges if one and one.endswith("\\infty)") and "cup" not in one]
        below = [one for one in ranges if one and one.startswith("(-\\infty") and "cup" not in one]
        if len(sides) == 2 and len(above) == len(below) == 1:
            return above[0].removesuffix("\\infty)") + below[0].removeprefix("(-\\infty,")
    return None
