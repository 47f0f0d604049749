"""A trace in the fields and parts where servers put it, and the labels that say what kind of trace it is."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from cotdistill.providers.lenient import mapping, text

_TEXTS = (
    "thinking", "reasoning_content", "reasoningContent", "reasoningText", "reasoning_text", "reasoning", "thought",
    "text", "content", "summary",
)  # fmt: skip
"""Where an object keeps its trace, the first that holds one; `summary` is what is left where the chain is not shown."""

_SEALED = ("data", "encrypted_content", "redactedContent", "redacted_content", "encrypted")

_SUMMARISED = re.compile(r"(?:azure-)?(?:anthropic|openai|google|xai)\b", re.IGNORECASE)
"""OpenRouter's `format` of those who show a summary: https://openrouter.ai/docs/use-cases/reasoning-tokens"""

_CLOSED = re.compile(r"\b(?:claude|gemini|gpt-[3-9](?!.*oss)|o[134])(?:\b|-)", re.IGNORECASE)
"""Models whose provider writes a summary of the chain and keeps the chain, whichever server passes it on."""

_THINKING = re.compile(r"reason|think|thought", re.IGNORECASE)
_VISIBLE = re.compile(r"(?:output_|input_)?text|message|answer|content|markdown|final", re.IGNORECASE)


class Thoughts(NamedTuple):
    """`there`: something of the kind was there, be it empty. `sealed`: it came encrypted."""

    text: str = ""
    summary: bool = False
    sealed: bool = False
    there: bool = False


class Parts(NamedTuple):
    """The visible text of a content, the parts of it that are thoughts, and a refusal."""

    text: str
    thoughts: list[Any]
    refusal: str = ""


@lru_cache(1024)
def summarised(model: str | None) -> bool:
    return bool(model and _CLOSED.search(model))


def thoughts(value: Any, apart: str = "") -> Thoughts:
    """The trace in a text, an object or a list of either; `apart` stands between the items of a list."""
    if isinstance(value, str):
        return Thoughts(value, there=bool(value))
    if isinstance(value, list):
        return _joined([thoughts(item) for item in value], list(_gaps(value, apart)))
    if not isinstance(value, dict):
        return Thoughts()
    said = f"{value.get('type')} {value.get('format')}"
    summary = "summary" in said or bool(_SUMMARISED.match(str(value.get("format") or "")))
    sealed = any(isinstance(value.get(name), str) and value[name] for name in _SEALED)
    for name in _TEXTS:
        found = thoughts(value.get(name), "\n\n" if name == "summary" else "")
        if found.text:
            return Thoughts(found.text, summary or found.summary or name == "summary", sealed or found.sealed, True)
    return Thoughts("", summary, sealed, True)


def parts(content: Any) -> Parts:
    """Each part of a content by its type; a part of a type that is not known is passed over, and the store keeps it."""
    if isinstance(content, bool | int | float) or (isinstance(content, dict) and not text(content) and content):
        return Parts(msgspec.json.encode(content).decode(), [])  # the server has parsed an answer that was JSON
    if not isinstance(content, list):
        return Parts(text(content), [])
    visible, hidden, refusals = [], [], []
    for part in content:
        kind = str(mapping(part).get("type") or "")
        if isinstance(part, str):
            visible.append(part)
        elif _is_thought(part, kind):
            hidden.append(part)
        elif kind == "refusal":
            refusals.append(text(mapping(part).get("refusal")))
        elif not kind or _VISIBLE.fullmatch(kind):
            visible.append(text(part))
    return Parts("".join(visible), hidden, "".join(refusals))


def _is_thought(part: Any, kind: str) -> bool:
    found = mapping(part)
    return bool(_THINKING.search(kind) or found.get("thought") is True or (not kind and found.get("reasoningContent")))


def _gaps(items: list[Any], apart: str) -> Iterator[str]:
    """What stands before each item but the first. Pieces with one index are one text that was cut up to be streamed."""
    for one, other in pairwise(items):
        before, after = mapping(one).get("index"), mapping(other).get("index")
        summaries = all("summary" in str(mapping(item).get("type")) for item in (one, other))
        if before is not None and after is not None:
            yield "" if before == after else "\n\n"
        else:
            yield "\n\n" if summaries else apart


def _joined(found: list[Thoughts], gaps: list[str]) -> Thoughts:
    whole = ""
    for gap, one in zip(["", *gaps], found, strict=False):
        if one.text:
            whole += (gap if whole else "") + one.text
    return Thoughts(
        whole, any(one.summary for one in found), any(one.sealed for one in found), any(one.there for one in found)
    )
