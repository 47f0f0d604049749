"""The marks that models and servers put around a trace, and where they stand in a text."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

Tags = tuple[tuple[str, str], ...]
"""A person's own marks: opening and closing, as they are written."""


def own_tags(specs: Iterable[str]) -> Tags:
    """`OPEN,CLOSE` each. Raises ValueError that says what was expected of which."""
    pairs = []
    for spec in specs:
        opens, comma, closes = (part.strip() for part in spec.partition(","))
        if not (opens and comma and closes) or opens == closes or "," in closes:
            raise ValueError(f"expected OPEN,CLOSE, such as <scratchpad>,</scratchpad>, got {spec!r}")
        pairs.append((opens, closes))
    return tuple(pairs)


class Family(NamedTuple):
    """Patterns of what opens a trace and what ends it.

    `alone`: the end counts without an opening, which many templates write into the prompt. `first`: the first end
    counts; else the last, for a trace may speak of its own end. `later`: it may begin on a later line too; not with a
    word that is an element of structured answers.
    """

    opens: str
    closes: str
    alone: bool = True
    first: bool = False
    later: bool = True


def _element(name: str, *, alone: bool = True, later: bool = False) -> Family:
    """With a prefix as in `seed:think` (Seed-OSS) and `mm:think` (MiniMax), and attributes as in <think time="3">."""
    opens = rf"<(?:[a-z]{{1,8}}:)?{name}(?:\s[^<>\n]{{0,200}})?>"
    return Family(opens, rf"</ ?(?:[a-z]{{1,8}}:)?{name}\s?>", alone=alone, later=later)


INTERCHANGEABLE = frozenset({"think", "thinking", "thought", "thoughts", "reason", "reasoning"})
"""Families whose ends models confuse: <thinking> … </think>."""

_FAMILIES = {
    **{name: _element(name, later=name.startswith("think")) for name in sorted(INTERCHANGEABLE)},
    "LongCat": _element("longcat_think", later=True),
    "asked for": _element(
        "(?:scratchpad|inner_monologue|inner_thoughts|chain_of_thought|cot|antthinking|internal_reasoning|internal_monologue|thinking_process"
        "|reasoning_steps|thought_process)"
    ),
    # Words of other documents too, so that an end alone is none
    "asked for elsewhere": _element("(?:analysis|reflection|rationale)", alone=False),
    "pipes": Family(
        r"<\|(?:think|thinking|reasoning|(?:begin|start)_of_(?:thinking|reasoning)|(?:think|thought|reasoning)_start)\|>",
        r"<\|(?:/think|/thinking|/reasoning|end_of_(?:thinking|reasoning)|(?:think|thought|reasoning)_end)\|>",
    ),
    "Mistral": Family(r"\[(?:THINK|THINKING|REASONING)\]", r"\[/(?:THINK|THINKING|REASONING)\]"),
    "Kimi": Family("◁think▷", "◁/think▷"),
    "Cohere": Family(r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    "OpenThoughts": Family(r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    "Apertus": Family(r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
    "Gemma": Family(r"<\|channel>(?:thought\b)?", r"<channel\|>"),
    "MedGemma": Family("<unused94>(?:thought\\b)?", "<unused95>"),
    "gpt-oss": Family(
        r"<\|channel\|>(?:analysis|commentary)[^<\n]{0,40}<\|message\|>",
        r"<\|channel\|>final[^<\n]{0,40}(?:<\|constrain\|>\w{0,20})?<\|message\|>",
    ),
    "Open WebUI": Family(
        r"<details\b[^<>\n]{0,200}\btype=[\"']?reasoning\b[^<>\n]{0,200}>", "</details>", alone=False, first=True
    ),
}
"""By who writes them. Sources: the reasoning parsers of vLLM and SGLang, and the models' own cards and templates."""


HEADS = "<[◁"
"""Each mark that is known begins with one of these."""

_FENCE = re.compile(r"^[ \t]{0,20}(?:```|~~~)", re.MULTILINE)
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "„": "“", "「": "」", "(": ")", "[": "]", "*": "*"}
_GOES_ON = re.compile(r" [a-z|]|[,;.:!?)]")
_ITEM = re.compile(r"\s*(?:\d{1,3}[.)]|[-*+|]) ")
"""What begins an item of a list or a row of a table."""


class Mark(NamedTuple):
    """`leads`: at the start of the text or of a line. `aside`: in mid-sentence. `line`: where its line begins."""

    start: int
    end: int
    family: str
    opens: bool
    leads: bool
    aside: bool
    line: int


@cache
def families(own: Tags) -> dict[str, Family]:
    return _FAMILIES | {
        opens: Family(f"(?-i:{re.escape(opens)})", f"(?-i:{re.escape(closes)})", first=True) for opens, closes in own
    }


@cache
def pattern(own: Tags) -> re.Pattern[str]:
    """All marks in one. Each known one begins with one of `HEADS`: written first, and alone, those are what `re` looks
    for, 50 times as fast as it tries alternatives."""
    known, given = [], []
    for number, family in enumerate(families(own).values()):
        for kind, mark in (("opens", family.opens), ("closes", family.closes)):
            head = mark[: 1 + mark.startswith("\\")]
            if number < len(_FAMILIES):
                known.append(f"(?P<{kind}_{number}>(?<={head}){mark.removeprefix(head)})")
            else:
                given.append(f"(?P<{kind}_{number}>{mark})")
    return re.compile("|".join([*given, rf"[{re.escape(HEADS)}](?:{'|'.join(known)})"]), re.IGNORECASE)


def marks(text: str, own: Tags) -> Iterator[Mark]:
    """In order, but those in code and in quotes."""
    names, fences = tuple(families(own)), None
    line, line_end, ticks, all_ticks, counted = 0, -1, 0, 0, 0
    shown: set[str] = set()
    for found in pattern(own).finditer(text):
        start, end = found.span()
        if start > line_end:
            line = text.rfind("\n", max(line_end, 0), start) + 1 or max(line_end, 0)
            line_end = text.find("\n", end)
            line_end = len(text) if line_end < 0 else line_end
            ticks, all_ticks, counted = 0, text.count("`", line, line_end), line
        ticks, counted = ticks + text.count("`", counted, start), end
        fences = [fence.start() for fence in _FENCE.finditer(text)] if fences is None else fences
        before = bisect_left(fences, start)
        if (before % 2 and (len(fences) - before) % 2) or (ticks % 2 and all_ticks > ticks):
            continue
        previous, following = text[max(start - 2, 0) : start], text[end : end + 2]
        if previous and following and _QUOTES.get(previous[-1]) == following[0]:
            continue
        kind, _, number = (found.lastgroup or "").partition("_")
        before_it = text[line:start] if start - line <= 100 else "x"
        if before_it.isspace() and line and before_it.startswith(("    ", "\t")):  # code, as Markdown has it
            if kind == "opens":
                shown.add(number)
                continue
            if number in shown:
                continue
        in_list = bool(_ITEM.fullmatch(before_it))
        in_sentence = in_list or (len(previous) == 2 and previous[1] == " " and previous[0] not in " \n.!?:。！？")
        yield Mark(
            start,
            end,
            names[int(number)],
            kind == "opens",
            not before_it.strip(" \t>*_"),
            in_sentence and bool(_GOES_ON.match(following)),
            line,
        )
