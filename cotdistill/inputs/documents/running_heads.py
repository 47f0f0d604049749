"""The first and the last line of every page, where these are its title or its number and no part of the text."""

import re
from collections import Counter
from collections.abc import Sequence

LEAST_PAGES = 4

_NUMBER_ALONE, _LETTER = re.compile(r"\W*\d+\W*"), re.compile(r"[^\W\d_]")


def without_running_heads(pages: Sequence[str]) -> list[str]:
    """The pages without a first or a last line that, but for its numbers, is that of more than half of them. Of a few
    pages all is kept: there, a line that stands on most may be text."""
    split = [page.strip().splitlines() for page in pages]
    if len(split) < LEAST_PAGES:
        return list(pages)
    heads, feet = (Counter(_form(lines[end]) for lines in split if lines) for end in (0, -1))
    return ["\n".join(_cut(lines, heads, feet, len(split) / 2)) for lines in split]


def _cut(lines: list[str], heads: Counter[str], feet: Counter[str], most: float) -> list[str]:
    if lines and heads[_form(lines[0])] > most and _is_title(lines[0]):
        lines = lines[1:]
    if lines and feet[_form(lines[-1])] > most and _is_title(lines[-1]):
        lines = lines[:-1]
    return lines


def _is_title(line: str) -> bool:
    """Words, or a page number; not the last row of a table."""
    return bool(_LETTER.search(line) or _NUMBER_ALONE.fullmatch(line.strip()))


def _form(line: str) -> str:
    """`Inventory, page 12` and `Inventory, page 13` are one."""
    return " ".join(re.sub(r"\d+", "0", line).casefold().split())
