"""What a list, set, tuple, interval, union or matrix is made of."""

import re
from functools import lru_cache
from typing import NamedTuple

from cotdistill.verifiers._spelling import plain


class Parts(NamedTuple):
    """`kind` is the pair of brackets, "list", "union" or the size of a matrix; only equal kinds can be equal."""

    kind: str
    items: list[str]


UNORDERED = {"{}", "union", "pm"}
TWO_VALUES = ({"pm", "list"}, {"pm", "{}"})
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
