"""What a list, set, tuple, interval, union or matrix is made of."""

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from cotdistill.answers.spelling import one_bracket, plain, right_side


class Parts(NamedTuple):
    """`kind` is the pair of brackets, "list", "values", "named", "union" or the size of a matrix."""

    kind: str
    items: list[str]


UNORDERED = {"{}", "union", "values", "named"}
ALIKE = ({"values", "list"}, {"values", "{}"}, {"list", "{}"})
"""Kinds that answer each other: `\\pm 3`, `x = 3 or x = -3` and `\\{3, -3\\}`; a list may be a set without braces."""

_AND = r"(?<![A-Za-z\\])(?:and|or)(?![a-z])"
_LIST = rf",|;|{_AND}"
_VALUE_OF = re.compile(
    r"(?:([A-Za-z])(_(?:\{\w{1,4}\}|\w{1,3}))?(?:\([A-Za-z]\))?|(\([A-Za-z](?:, ?[A-Za-z]){1,5}\))) ?= ?(?=\S)"
)
_MATRIX = re.compile(
    r"[(\[]? ?\\begin ?\{(?:[pbB]?matrix|array\} ?\{[clr| ]{1,20})\}(.*)\\end ?\{(?:[pbB]?matrix|array)\} ?[)\]]?",
    re.DOTALL,
)


@lru_cache(1024)
def parts(text: str) -> Parts | None:
    """What a list, set, tuple, interval, union or matrix is made of; None for a single expression."""
    if text.count("\\pm") == 1:
        return Parts("values", [plain(text.replace("\\pm", sign)) for sign in "+-"])
    if matrix := _MATRIX.fullmatch(text):
        rows = [row.split("&") for row in re.split(r"\\\\(?:\[\w+\])?", matrix[1]) if row.strip()]
        return Parts("matrix" + ",".join(str(len(row)) for row in rows), [plain(cell) for row in rows for cell in row])
    if len(items := _top_level(text, r"\\cup(?![a-z])")) > 1:
        return Parts("union", items)
    if len(items := _top_level(text, _LIST)) > 1:
        return _values(items, bool(re.search(_AND, text))) or Parts("list", items)
    inner = re.fullmatch(r"(?:\\?([\[({]))(.*?)(?:\\?([\])}]))", text, re.DOTALL)
    if not inner or not one_bracket(text):
        return None
    items = _top_level(inner[2], r"[,;]")
    return Parts(inner[1] + inner[3], items) if len(items) > 1 or inner[1] == "{" else None


def _values(items: list[str], joined_by_and: bool) -> Parts | None:
    """Items that have names, `k = 45, n = 2`; or no order: the values of one variable, `x = 1, 2`, points, what is
    joined by "and" or "or". None for a list, whose order counts."""
    names = [_VALUE_OF.match(item) for item in items]
    if names[0]:
        if all(names) and len({name[0] for name in names if name}) > 1:
            return Parts("named", items)
        same = {name[0] for name in names if name} == {names[0][0]}
        if same and all(name or "=" not in item for name, item in zip(names, items, strict=True)):
            return Parts(
                "values", [item[name.end() :] if name else item for name, item in zip(names, items, strict=True)]
            )
    if all(item[:1] == "(" and item[-1:] == ")" for item in items):
        return Parts("values", list(dict.fromkeys(item.replace(" ", "") for item in items)))
    return Parts("values", items) if joined_by_and else None


def _without_names(found: Parts) -> Parts:
    """`k = 45, n = 2` as a list; `x_1 = 1, x_2 = 2` without an order, for roots have none."""
    names = [_VALUE_OF.match(item) for item in found.items]
    bare = [item[name.end() :] if name else item for name, item in zip(names, found.items, strict=True)]
    return Parts("values" if len({name[1] for name in names if name}) == 1 else "list", bare)


def _as_points(text: str, other: Parts) -> Parts | None:
    """`p = 5, q = 2; p = 7, q = 2` as `(5,2), (7,2)`, where the other side is points."""
    groups = [_top_level(group, ",") for group in _top_level(text, ";")]
    if len(groups) < 2 or not all(item.startswith("(") for item in other.items):
        return None
    names = [[_VALUE_OF.match(item) for item in group] for group in groups]
    if not all(names[0]) or any([n and n[0] for n in row] != [n and n[0] for n in names[0]] for row in names):
        return None
    rows = zip(names, groups, strict=True)
    values = [[item[name.end() :] for name, item in zip(*row, strict=True) if name] for row in rows]
    return Parts("values", [f"({','.join(row)})" for row in values])


_RATIO = re.compile(r"\d{1,9}(?:\.\d{1,6})?(?: ?: ?\d{1,9}(?:\.\d{1,6})?){1,5}|\d{1,9}(?: to \d{1,9}){1,3}")
_FRACTION = re.compile(r"(\d{1,9}) ?/ ?(\d{1,9})|\\frac ?\{ ?(\d{1,9}) ?\} ?\{ ?(\d{1,9}) ?\}")
_CLOCK = re.compile(r"\d{1,2}:[0-5]\d(?::[0-5]\d)?")
_NOTE = re.compile(r" ?\([^()\d]{1,60}\)$")


def ratio_of(text: str) -> tuple[Fraction, ...] | None:
    """`6:8`, `3 to 4` and `\\frac{3}{4}` as (1, 4/3): the terms as shares of the first. A time of day is none."""
    text = _NOTE.sub("", text)
    if _CLOCK.fullmatch(text):
        return None
    if found := _FRACTION.fullmatch(text):
        terms = [Fraction(one) for one in found.groups() if one]
    elif _RATIO.fullmatch(text):
        terms = [Fraction(one.strip()) for one in re.split(r":| to ", text)]
    else:
        return None
    return tuple(term / terms[0] for term in terms) if all(terms) else None


_RANGE = re.compile(
    r"(?:from |between )?\$?(\d{1,12}(?:\.\d{1,6})?)(?:-| ?to | ?and )\$?(\d{1,12}(?:\.\d{1,6})?)(?: ([A-Za-z]{3,20}))?"
)


def range_of(text: str) -> tuple[Fraction, Fraction] | None:
    """`10-15`, `10 to 15`, `between 10 and 15`: from the lower to the greater number."""
    found = _RANGE.fullmatch(text)
    if found is None or (" and " in text and not text.startswith("between")):
        return None
    low, high = Fraction(found[1]), Fraction(found[2])
    return (low, high) if low < high else None


_EMPTY = re.compile(
    r"\\emptyset|\\?\{ ?\\?\}|\\phi|(?:the )?empty set"
    r"|(?:there (?:is|are) )?no (?:real )?(?:solutions?|values?|roots?)(?: exists?)?",
    re.IGNORECASE,
)


def is_empty(text: str) -> bool:
    """Whether a text says that there is nothing: `\\emptyset`, `\\{\\}`, "no solution"."""
    return bool(_EMPTY.fullmatch(text))


def parts_of_both(gold: str, given: str) -> tuple[Parts | None, Parts | None]:
    """Of both sides, in a form in which they can be compared: names count where both have them, and an inequality is
    an interval where the other side is one."""
    wanted, said = parts(interval(gold) or gold), parts(interval(given) or given)
    if interval(gold) and interval(given):
        return None, None
    if wanted and said and wanted.kind != said.kind:
        wanted, said = _as_points(gold, said) or wanted, _as_points(given, wanted) or said
    if wanted and said and "named" in (wanted.kind, said.kind) and wanted.kind != said.kind:
        return _without_names(wanted), _without_names(said)
    return wanted, said


def right_sides(gold: str, given: str) -> tuple[str, str]:
    """Both without a name before the value, unless several values have one each."""
    for text in (gold, given):
        found = parts(text)
        if found and found.kind in ("list", "values", "named") and "=" in text:
            return gold, given
    return right_side(gold, given), right_side(given, gold)


def are_matrices(gold: str, given: str) -> bool:
    """Whether both have one, so that one may be a sum or a product."""
    return all("matrix" in text or "{array" in text for text in (gold, given))


_BOUND = r"([^<>=,\\]{1,40}|-?\\infty ?|-?\\[a-z]+\{[^<>=]{1,40}\})"
_BETWEEN = re.compile(rf"{_BOUND} ?(<|\\le(?![a-z])) ?([A-Za-z](?:\([A-Za-z]\))?) ?(<|\\le(?![a-z])) ?{_BOUND}")
_BEYOND = re.compile(rf"([A-Za-z](?:\([A-Za-z]\))?) ?(<|>|\\[lg]e(?![a-z])) ?{_BOUND}")
_ABSOLUTE = re.compile(r"(?:\||\\lvert ?)[A-Za-z](?:\||\\rvert) ?(<|\\le(?![a-z])) ?([^<>=,\\|]{1,40})")
_UNEQUAL = re.compile(r"[A-Za-z] ?\\ne(?![a-z]) ?([^<>=,]{1,40})")
_SET_OF = re.compile(
    r"\\?\{ ?[A-Za-z](?: ?\\in(?![a-z]) ?\\mathbb ?\{?R\}?)? ?(?::|\||\\mid(?![a-z])) ?([^{}]{1,80}?)\\?\}"
)
_OUTWARD = re.compile(r"(?=\]|.*\[$)([\[\]])([^\[\]]{1,80}[,;][^\[\]]{1,80})([\[\]])")
"""Half-open in the European way: `[0,1[`, `]0,1]`."""


def interval(text: str) -> str | None:
    """An inequality of one variable as the interval it means: `1 < x \\le 2` -> `(1,2]`, `x > 3` -> `(3,\\infty)`."""
    if found := _BETWEEN.fullmatch(text):
        low, left, _, right, high = found.groups()
        return f"{'(' if left == '<' else '['}{low.strip()},{high.strip()}{')' if right == '<' else ']'}"
    if found := _SET_OF.fullmatch(text):
        return interval(found[1].strip())
    if (found := _ABSOLUTE.fullmatch(text)) and not found[2].lstrip().startswith("-"):
        low, high = ("(", ")") if found[1] == "<" else ("[", "]")
        return f"{low}-{found[2].strip()},{found[2].strip()}{high}"
    if (found := _UNEQUAL.fullmatch(text)) and not re.search("[A-Za-z]", found[1].replace("\\sqrt", "")):
        return f"(-\\infty,{found[1].strip()})\\cup({found[1].strip()},\\infty)"
    if found := _OUTWARD.fullmatch(text):
        return f"{'(' if found[1] == ']' else '['}{found[2]}{')' if found[3] == '[' else ']'}"
    if found := _BEYOND.fullmatch(text):
        _, sign, bound = found.groups()
        closed = sign.startswith("\\")
        if "g" in sign or sign == ">":
            return f"{'[' if closed else '('}{bound.strip()},\\infty)"
        return f"(-\\infty,{bound.strip()}{']' if closed else ')'}"
    return None


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
