"""What a list, set, tuple, interval, union or matrix is made of."""

import re
from functools import lru_cache
from typing import NamedTuple

from cotdistill.answers.inequalities import interval, variable_of
from cotdistill.answers.spelling import one_bracket, plain, right_side


class Parts(NamedTuple):
    """`kind` is the pair of brackets, "list", "values", "named", "union" or the size of a matrix."""

    kind: str
    items: list[str]


UNORDERED = {"{}", "union", "values", "named"}
_ALIKE = ({"values", "list"}, {"values", "{}"}, {"list", "{}"})
_VECTORS = re.compile(r"\(\)|matrix(?:1(?:,1)*|\d+)")

_AND = r"(?<![A-Za-z\\])(?:and|or)(?![a-z])"
_LIST = rf"[,;] ?{_AND}|,|;|{_AND}"
_LABEL = re.compile(r"(?:(?<=^)|(?<=[\s,;.]))(?:\(([a-h]|i{1,3}|iv)\)|([a-h])\))[:.]? ?(?=\S)")
_MEMBER = re.compile(r"[A-Za-z] ?\\in ?(?=\\?\{)")
_ROWS = re.compile(r"[\[(] ?([\[(][^\[\]()]{1,400}[\])](?:[, ] ?[\[(][^\[\]()]{1,400}[\])]){0,40}) ?[\])]")
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
    if member := _MEMBER.match(text):
        text = text[member.end() :]
    if text.count("\\pm") == 1:
        return Parts("values", [plain(text.replace("\\pm", sign)) for sign in "+-"])
    if rows := _rows(text):
        return Parts("matrix" + ",".join(str(len(row)) for row in rows), [plain(cell) for row in rows for cell in row])
    if labelled := labelled_parts(text):
        return labelled
    if len(items := _top_level(text, r"\\cup(?![a-z])")) > 1:
        return Parts("union", items)
    if len(items := _top_level(text, _LIST)) > 1:
        return _values(items, bool(re.search(_AND, text))) or Parts("list", items)
    inner = re.fullmatch(r"(?:\\?([\[({]))(.*?)(?:\\?([\])}]))", text, re.DOTALL)
    if not inner or not one_bracket(text):
        return None
    items = _top_level(inner[2], r"[,;]")
    return Parts(inner[1] + inner[3], items) if len(items) > 1 or inner[1] == "{" else None


def _rows(text: str) -> list[list[str]]:
    """The cells of a matrix in LaTeX, or in brackets as programs print it, `[[1, 2], [3, 4]]`; [] for none."""
    if matrix := _MATRIX.fullmatch(text):
        return [row.split("&") for row in re.split(r"\\\\(?:\[\w+\])?", matrix[1]) if row.strip()]
    if text[:1] == "[" and (nested := _ROWS.fullmatch(text)) and nested[1][0] == "[":
        return [re.split(r" ?, ?| ", row.strip()) for row in re.findall(r"\[([^\[\]]+)\]", nested[1])]
    return []


def labelled_parts(text: str) -> Parts | None:
    """`(a) 3 (b) 5` and `a) 3, b) 5` in the order of their labels; None where these are not the first ones in order."""
    labels = list(_LABEL.finditer(text))
    names = [label[1] or label[2] for label in labels]
    if len(labels) < 2 or text[: labels[0].start()].strip():
        return None
    if names != list("abcdefgh"[: len(names)]) and names != ["i", "ii", "iii", "iv"][: len(names)]:
        return None
    ends = [*(label.start() for label in labels[1:]), len(text)]
    items = [text[label.end() : end].strip(" ,;\n") for label, end in zip(labels, ends, strict=True)]
    return Parts("labelled", [plain(re.sub(r",? ?\b(?:and|und|et|y)$", "", item)) for item in items])


def alike(wanted: Parts, said: Parts) -> bool:
    """Whether the two kinds may answer each other: `\\pm 3`, `x = 3 or x = -3` and `\\{3, -3\\}`; a list may be a set
    without braces, or a tuple of three or more; a point may be a vector in a row or a column."""
    kinds = {wanted.kind, said.kind}
    if len(kinds) == 1 or kinds in _ALIKE:
        return True
    if kinds == {"[]", "list"}:
        return len(wanted.items) > 2
    if "()" in kinds and all(_VECTORS.fullmatch(kind) for kind in kinds):
        return True
    return kinds in ({"()", "list"}, {"labelled", "list"}) and len(wanted.items) > (2 if "()" in kinds else 1)


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


def _without_names(found: Parts, point: bool) -> Parts:
    """`k = 45, n = 2` as a list; `x_1 = 1, x_2 = 2` without an order, for roots have none; a point
    begins with x."""
    items = sorted(found.items) if point and found.kind == "named" else found.items
    names = [_VALUE_OF.match(item) for item in items]
    bare = [item[name.end() :] if name else item for name, item in zip(names, items, strict=True)]
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


def parts_of_both(gold: str, given: str) -> tuple[Parts | None, Parts | None]:
    """Of both sides, in a form in which they can be compared: names count where both have them, and an inequality is
    an interval where the other side is one."""
    wanted, said = parts(interval(gold) or gold), parts(interval(given) or given)
    if (
        interval(gold)
        and interval(given)
        and None not in (both := {variable_of(gold), variable_of(given)})
        and len(both) > 1
    ):
        return None, None  # of x and of y
    if wanted and said and wanted.kind != said.kind:
        wanted, said = _as_points(gold, said) or wanted, _as_points(given, wanted) or said
    if wanted and said and "named" in (wanted.kind, said.kind) and wanted.kind != said.kind:
        point = "()" in (wanted.kind, said.kind)
        return _without_names(wanted, point), _without_names(said, point)
    return wanted, said


def right_sides(gold: str, given: str) -> tuple[str, str]:
    """Both without a name before the value, unless several values have one each."""
    for text in (gold, given):
        found = parts(text)
        if found and found.kind in ("list", "values", "named") and "=" in text:
            return gold, given
    if (function := _FUNCTION.match(given)) and _Y.match(gold):
        given = f"y={given[function.end() :]}"
    elif (function := _FUNCTION.match(gold)) and _Y.match(given):
        gold = f"y={gold[function.end() :]}"
    return right_side(gold, given), right_side(given, gold)


_FUNCTION = re.compile(r"[fgh]\(x\) ?= ?")
_Y = re.compile(r"y ?=")


def are_matrices(gold: str, given: str) -> bool:
    """Whether both have one, so that one may be a sum or a product."""
    return all("matrix" in text or "{array" in text for text in (gold, given))


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
