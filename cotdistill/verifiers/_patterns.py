"""Regular expressions on unchecked text: with a deadline, which `re` does not have."""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import regex

MAX_PATTERN = 4_096
MAX_COPIES = 100_000
"""`a{1000000000}` is a billion letters to the compiler, which takes all memory before any deadline begins."""

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()]|\{(\d{0,20})(?:,(\d{0,20}))?\}", re.DOTALL)


@lru_cache(1024)
def compiled(pattern: str, ignore_case: bool = False) -> "regex.Pattern[str]":
    """Raises ValueError, in one sentence, for a pattern that is wrong or too large."""
    import regex

    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"the pattern is longer than {MAX_PATTERN} characters")
    if _copies(pattern) > MAX_COPIES:
        raise ValueError(f"the pattern repeats a part of it more than {MAX_COPIES} times")
    try:
        return regex.compile(pattern, regex.IGNORECASE if ignore_case else 0)
    except (regex.error, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(f"the pattern is no regular expression: {str(error) or type(error).__name__}") from None


def search(pattern: "regex.Pattern[str]", text: str, cpu_s: float) -> "regex.Match[str] | None":
    """The first match. Raises TimeoutError after `cpu_s` processor seconds, tried twice. The library counts by
    `clock()`: the time of this process, not of the wall."""
    try:
        return pattern.search(text, timeout=cpu_s)
    except TimeoutError:
        return pattern.search(text, timeout=cpu_s)


def _copies(pattern: str) -> int:
    """How often the most repeated part stands in the pattern once all `{n}` are written out."""
    stack = [1]
    last = most = 1
    for token in _TOKEN.finditer(pattern):
        if token[0] == "(":
            stack.append(1)
        elif token[0] == ")" and len(stack) > 1:
            last = stack.pop()
        elif token[0][0] == "{":
            last *= max(1, int(token[1] or 0), int(token[2] or 0))
        else:
            last = 1
        stack[-1] = max(stack[-1], last)
        most = max(most, last)
        if token[0] == "(":
            last = 1
    return most
