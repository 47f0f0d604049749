"""Take a model's text apart into trace and answer, by the marks that models and servers put around a trace.

A mark is one only where a model would write it: at the start of the text or of a line, its end anywhere but in code,
in quotes or in mid-sentence. So an answer that is about think tags stays whole. Everything here is linear in the text:
model output is untrusted.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cotdistill.reasoning.marks import HEADS, INTERCHANGEABLE, Mark, Tags, families, marks, pattern

_LEAD = re.compile(
    r"(?:\s|\ufeff|\u200b|<s>|<bos>|<\|im_start\|>assistant|<\|start\|>assistant|<\|START_OF_TURN_TOKEN\|>)*"
)
_JUNCTION = re.compile(
    r"(?:<\|end\|>)?(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)[^<\n]{0,40}<\|message\|>"
    r"|</(think(?:ing)?)>\s{0,20}<\1>"
)
"""Where one trace ends and the next begins at once."""

_ENDS = ("<|return|>", "<|start|>assistant", "<|end|>", "<|END_OF_TURN_TOKEN|>")
_SPECIALS = (
    "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "</s>", "<|eom_id|>", "<end_of_turn>",
    "<｜end▁of▁sentence｜>", "<|end_of_sentence|>", "<|return|>", "<|end|>", "<|eos|>", "<eos>",
    "<|endofturn|>", "[|endofturn|]",
)  # fmt: skip
"""Qwen, Llama, Mistral, Gemma, DeepSeek, gpt-oss, Phi, EXAONE."""
_ANSWERS = (
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    ("<response>", "</response>"),  # Ernie
    ("<output>", "</output>"),  # Reflection
)
"""What stands around an answer where a model marks that too."""

_GRANITE = re.compile(r"Here(?:'s| is) my thought process:")
_GRANITE_ANSWERS = re.compile(r"^Here(?:'s| is) my response:", re.MULTILINE)
_SPACE = re.compile(r"\s*")
_SUMMARY = re.compile(r"\s*<summary>[^<]{0,500}</summary>")
_THINK = re.compile(r"</?think(?:ing)?\b[^<>\n]{0,200}>|◁/?think▷", re.IGNORECASE)
_THINK_OPENS = re.compile(r"<think", re.IGNORECASE)
_NO_TRACE = re.compile(r" ?(?:and|or|to|,|/|\.{3}|…) ?")
"""What stands between two tags that are only spoken of."""


class Split(NamedTuple):
    """`rule` is what decided: the closing tag, "unclosed" or "no tag". An unclosed trace has no answer."""

    reasoning: str | None
    answer: str
    rule: str
    closed: bool


def split(text: str, own: Tags = ()) -> Split:
    """Trace and answer of a text. The opening mark is optional, for many templates write that into the prompt; one that
    is never closed leaves a trace without an answer. `own` are marks that no model here is known by."""
    text = _with_marks(text)
    if not own and not any(head in text for head in HEADS):
        return Split(None, text, "no tag", True)
    text = _without_specials(text)
    found = list(_without_pairs_in_prose(text, marks(text, own)))
    begun = _begin(text, found, own)
    if begun is None:
        return Split(None, text, "no tag", True)
    opener, place = begun
    traces, visible = [], [text[_after_lead(text) : opener.start]]
    while True:
        ended = _end(text, opener, found, place, own)
        if ended is None:
            traces.append(_trace(text[opener.end :].strip(), opener.family, own))
            return Split(_joined(traces), "", "unclosed", False)
        closer, place = found[ended], ended + 1
        traces.append(_trace(text[opener.end : closer.start].strip(), opener.family, own))
        while place < len(found) and not (
            _may_begin(text, found[place], own) or _adjoins(text, found[place - 1], found[place], own)
        ):
            place += 1
        if place == len(found):
            visible.append(text[closer.end :])
            return Split(_joined(traces), _joined(map(_answer, visible)), text[closer.start : closer.end], True)
        visible.append(text[closer.end : found[place].start])
        opener, place = found[place], place + 1


def join(reasoning: str, answer: str) -> str:
    return f"<think>\n{reasoning}\n</think>\n\n{answer}"


def holds_tags(text: str) -> bool:
    """Whether marks of a trace stand in a text that should have none. Code may speak of any but `<think>`, which is one
    token of most students: where it stands, a trace begins or ends."""
    return bool(_THINK.search(text)) or any(families(())[mark.family].alone for mark in marks(text, ()))


def _with_marks(text: str) -> str:
    """With marks instead of the words that stand for them: Granite's, and those that gpt-oss leaves where a server
    skips its special tokens."""
    if text.startswith("analysis") and "assistantfinal" in text:
        return text.replace("analysis", "<think>", 1).replace("assistantfinal", "</think>", 1)
    if text.startswith("Here") and (began := _GRANITE.match(text)) and (ended := _GRANITE_ANSWERS.search(text)):
        return f"<think>{text[began.end() : ended.start()]}</think>{text[ended.end() :]}"
    return text


def _begin(text: str, found: Sequence[Mark], own: Tags) -> tuple[Mark, int] | None:
    """What begins the first trace, an empty mark at 0 where only an end stands; and the place of the next mark."""
    last_end = {mark.family: place for place, mark in enumerate(found) if not mark.opens}
    lead = _after_lead(text)
    shown: dict[str, Mark] = {}
    for place, mark in enumerate(found):
        if mark.opens:
            if mark.start <= lead or (_may_begin(text, mark, own) and last_end.get(mark.family, -1) > place):
                return mark, place + 1
            shown[mark.family] = mark
        elif families(own)[mark.family].alone and not mark.aside:
            pair = shown.get(mark.family)
            if pair is None or not (pair.leads or pair.line == mark.line):
                return Mark(0, 0, mark.family, True, True, False, 0), place
    return None


def _after_lead(text: str) -> int:
    lead = _LEAD.match(text)
    return lead.end() if lead else 0


def _may_begin(text: str, mark: Mark, own: Tags) -> bool:
    """Whether a trace may begin here, after other text: not where "write it so:" shows one."""
    if not mark.opens or not families(own)[mark.family].later:
        return False
    shown = text[max(mark.start - 100, 0) : mark.start].rstrip().endswith((":", "："))
    return (mark.leads and not shown) or mark.family in dict(own)


def _adjoins(text: str, closer: Mark, mark: Mark, own: Tags) -> bool:
    """Whether a trace begins where another one ends."""
    return mark.opens and not closer.opens and not text[closer.end : mark.start].strip()


def _end(text: str, opener: Mark, found: Sequence[Mark], place: int, own: Tags) -> int | None:
    """Which mark ends the trace: of its family the last one before another trace begins, but those of a pair that is
    only shown; rather one that stands clear of any sentence, and that something follows."""
    best, rank, pending = None, -1, opener
    paired: int | None = None
    for at in range(place, len(found)):
        mark = found[at]
        if mark.opens:
            if best is not None and (_may_begin(text, mark, own) or _adjoins(text, found[at - 1], mark, own)):
                break
            pending = mark
        elif mark.family == opener.family or (best is None and {mark.family, opener.family} <= INTERCHANGEABLE):
            if pending is not opener and (pending.leads or pending.line == mark.line):
                paired, pending = at, opener
                continue
            clear = 0 if mark.aside else 1 + bool(text[mark.end : mark.end + 50].strip())
            if clear >= rank:
                best, rank = at, clear
            if families(own)[opener.family].first:
                break
    return paired if best is None else best


def _without_pairs_in_prose(text: str, found: Iterable[Mark]) -> Iterator[Mark]:
    """Without pairs such as "<think> and </think>"."""
    held: Mark | None = None
    for mark in found:
        if held is not None:
            between = text[held.end : mark.start] if mark.start - held.end < 20 else "-"
            if held.opens and not mark.opens and mark.family == held.family and _NO_TRACE.fullmatch(between):
                held = None
                continue
            yield held
        held = mark
    if held is not None:
        yield held


def _trace(text: str, family: str, own: Tags) -> str:
    at, ended = 0, None
    while (again := pattern(own).match(text, at)) and (again.lastgroup or "").startswith("opens"):
        if ended is None:
            ended = {mark.lastgroup for mark in pattern(own).finditer(text)}
        number = (again.lastgroup or "").removeprefix("opens_")
        if f"closes_{number}" in ended and tuple(families(own))[int(number)] not in INTERCHANGEABLE:
            break  # a part of the trace: <thinking><reflection>
        at = _SPACE.match(text, again.end()).end()  # type: ignore[union-attr]  # the template wrote it, and the model
    text = _JUNCTION.sub("\n\n", _without_spare_ends(_without_ends(text[at:]), own))
    if family != "Open WebUI":
        return text.strip()
    from html import unescape  # rarely needed

    lines = unescape(_SUMMARY.sub("", text, count=1)).strip().splitlines()  # a summary line, then a quotation in HTML
    if all(line.startswith(">") or not line.strip() for line in lines):
        lines = [line.removeprefix(">").removeprefix(" ") for line in lines]
    return "\n".join(lines).strip()


def _without_spare_ends(text: str, own: Tags) -> str:
    """Without an end that nothing in the trace begins: the inner one of `a</think></think>`."""
    found = list(pattern(own).finditer(text)) if text.endswith(_CLOSES) else []
    kinds = [(mark.lastgroup or "").startswith("closes") for mark in found]
    spare, end = 2 * sum(kinds) - len(kinds), len(text)
    for mark, closes in zip(reversed(found), reversed(kinds), strict=True):
        if spare <= 0 or not closes or text[mark.end() : end].strip():
            break
        spare, end = spare - 1, mark.start()
    return text[:end].rstrip()


_CLOSES = (">", "]", "▷")


def _answer(text: str) -> str:
    text = _without_ends(text)
    for opens, closes in _ANSWERS:
        inside = text[len(opens) :].strip()
        is_xml = opens in ("<response>", "<output>") and inside.startswith("<")
        if text[: len(opens)].lower() == opens.lower() and not is_xml:
            ends = inside.lower().endswith(closes.lower())
            text = inside[: len(inside) - len(closes)] if ends else inside
    closed = None if _THINK_OPENS.search(text) else re.search(r"</think(?:ing)?>\Z", text)
    return text[: closed.start()].strip() if closed else text


def _without_ends(text: str) -> str:
    text = text.strip()
    for end in _ENDS:
        text = text.removesuffix(end).strip()
    return text


def _without_specials(text: str) -> str:
    """Without the end tokens that a server leaves which does not skip special ones. After a space stands one that is
    spoken of."""
    bare = text.rstrip()
    while True:
        end = next((end for end in _SPECIALS if bare.endswith(end)), None)
        if end is None or bare[: -len(end)][-1:] == " " or (end == "</s>" and "<s>" in bare):
            return text
        text = bare = bare[: -len(end)].rstrip()


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in (one.strip() for one in parts) if part)
