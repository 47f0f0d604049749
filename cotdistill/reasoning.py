"""Take a model's text apart: trace and answer, and the final answer within the answer. And join them again.

Everything here is linear in the text and looks at a bounded part of it: model output is untrusted.
"""

from typing import NamedTuple

_CLOSERS = ("</think>", "</thinking>", "◁/think▷", "<|channel|>final<|message|>")
_OPENERS = ("<think>", "<thinking>", "◁think▷", "<|channel|>analysis<|message|>")
_HARMONY_ENDS = ("<|return|>", "<|start|>assistant", "<|end|>")


class Split(NamedTuple):
    """`rule` is what decided: the closing tag, "unclosed" or "no tag". An unclosed trace has no answer."""

    reasoning: str | None
    answer: str
    rule: str
    closed: bool


def split(text: str) -> Split:
    """Cut at the last closing tag. Its opening tag is optional, for many templates write that into the prompt; an
    opening tag that is never closed leaves a trace without an answer."""
    position, closer = max((text.rfind(tag), tag) for tag in _CLOSERS)
    if max(text.rfind(tag) for tag in _OPENERS) > position:
        return Split(_without_opener(text), "", "unclosed", False)
    if position < 0:
        return Split(None, text, "no tag", True)
    return Split(_without_opener(text[:position]), _without_ends(text[position + len(closer) :]), closer, True)


def join(reasoning: str, answer: str) -> str:
    return f"<think>\n{reasoning}\n</think>\n\n{answer}"


def _without_opener(trace: str) -> str:
    trace = trace.strip()
    for opener in _OPENERS:
        trace = trace.removeprefix(opener)
    return _without_ends(trace)


def _without_ends(text: str) -> str:
    text = text.strip()
    for end in _HARMONY_ENDS:
        text = text.removesuffix(end)
    return text.strip()
