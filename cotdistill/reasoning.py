"""Take a model's text apart: trace and answer, and the final answer within the answer. And join them again.

Everything here is linear in the text and looks at a bounded part of it: model output is untrusted.
"""

import re
from typing import NamedTuple

ANSWER_WINDOW = 64_000
"""The final answer is looked for in the last so many characters."""

MAX_ANSWER = 4_096
"""A longer extracted answer is no final answer; it is cut."""

_OPENERS = ("<think>", "<thinking>", "◁think▷")
_CLOSERS = ("</think>", "</thinking>", "◁/think▷", "<|channel|>final<|message|>")


class Split(NamedTuple):
    """`rule` is what decided: the closing tag, "unclosed" or "no tag". Of an unclosed trace there is no answer."""

    reasoning: str | None
    answer: str
    rule: str
    closed: bool


def split(text: str) -> Split:
    """Cut at the last closing tag. An opening tag is optional, for many templates write it in the prompt; one
    without a close is an unfinished trace."""
    position, closer = max((text.rfind(tag), tag) for tag in _CLOSERS)
    if position >= 0:
        trace = text[:position].strip()
        for opener in (*_OPENERS, "<|channel|>analysis<|message|>"):
            trace = trace.removeprefix(opener)
        return Split(trace.strip(), text[position + len(closer) :].strip(), closer, True)
    start = text.lstrip()
    for opener in _OPENERS:
        if start.startswith(opener):
            return Split(start.removeprefix(opener).strip(), "", "unclosed", False)
    return Split(None, text, "no tag", True)


def join(reasoning: str, answer: str) -> str:
    return f"<think>\n{reasoning}\n</think>\n\n{answer}"


class Extracted(NamedTuple):
    """A final answer and the rule that found it."""

    answer: str
    rule: str


def final_answer(text: str) -> Extracted | None:
    """The final answer that a text gives, by the first rule that finds one: the last `\\boxed{}`, the last
    `#### x`, the last line that announces an answer, a text that is nothing but an answer, the equation it ends
    in, the last number. None when there is
    nothing. What stands after an announced answer does not win over it."""
    text = text[-ANSWER_WINDOW:]
    for rule, find in _RULES:
        if found := find(text):
            return Extracted(found[:MAX_ANSWER], rule)
    return None


def cut_reference(text: str) -> str:
    """The answer in a worked reference: GSM8K's `#### 18`, the release's last line `A: 18`, or the last
    `\\boxed{}`; any other text is the answer itself."""
    if boxed := last_boxed(text):
        return boxed
    if hashes := _HASHES.findall(text):
        return str(hashes[-1]).strip()
    last = text.strip().rpartition("\n")[2]
    if "\n" in text.strip() and (announced := _SHORT_LINE.match(last)):
        return announced[1].strip()
    return text.strip()


def last_boxed(text: str) -> str | None:
    """What stands in the last `\\boxed{…}` or `\\fbox{…}`, braces balanced; to the line's end when unclosed."""
    found = list(_BOXED.finditer(text))
    if not found:
        return None
    start = found[-1].end()
    depth = 1
    for brace in _BRACE.finditer(text, start, start + MAX_ANSWER):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return text[start : brace.start()].strip()
    return text[start : start + MAX_ANSWER].partition("\n")[0].strip(" $.")


_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"(?<!\\)[{}]")
_HASHES = re.compile(r"^####[ \t]*(\S[^\n]*)", re.MULTILINE)
_SHORT_LINE = re.compile(r"(?:A|Answer|Final answer)[ \t]*:[ \t]*(\S.*)", re.IGNORECASE)

_ANNOUNCED = re.compile(
    r"""(?im)
    (?:^[ \t>*_#-]{0,8}(?:final[ ]answer|answer|ans|a)[ \t*_]{0,4}[:=][ \t*_]{0,4}   # a line of its own
    |\b(?:final[ ]answer|answer|result)[ \t*_]{0,4}(?:is|=|:|would[ ]be|will[ ]be)[ \t*_]{0,4}:?[ \t*_]{0,4})
    \n{0,2}[ \t]{0,8}(\S[^\n]{0,4096})""",
    re.VERBOSE,
)
_EQUATION = re.compile(r"=[ \t]*([^=\n]{1,200}?)[ \t]*\.?[ \t]*$")
_NUMBER = re.compile(
    r"[-−+]?(?:\d{1,3}(?:(?:,|\\,|\\!,|\{,\})\d{3})+|\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)|\d+)(?:\.\d+)?"
    r"(?:[eE][-+]?\d{1,4})?(?:[ ]?/[ ]?\d+(?:\.\d+)?)?[ ]?\\?%?|[-−+]?\.\d+"
)


def _hashes(text: str) -> str | None:
    found = _HASHES.findall(text)
    return str(found[-1]).strip() if found else None


def _announced(text: str) -> str | None:
    """The last announced answer, up to the end of its sentence."""
    last = None
    for match in _ANNOUNCED.finditer(text):
        last = match[1]
    return None if last is None else _first_sentence(last)


_SENTENCE_END = re.compile(r"[.;!?](?=\s|$|\*|\))")


def _first_sentence(text: str) -> str:
    text = text.strip().strip("*_ \t")
    end = _SENTENCE_END.search(text)
    if end and not re.match(r"\w\.$", text[: end.end()]):
        text = text[: end.start()]
    return text.strip().strip("*_ \t").rstrip(".,;:")


def _last_equation(text: str) -> str | None:
    last = text.strip().rpartition("\n")[2][-1000:]
    found = _EQUATION.search(last)
    number = _NUMBER.fullmatch(found[1].strip(" $*€£")) if found else None
    return number[0] if number else None


def _last_number(text: str) -> str | None:
    last = None
    for match in _NUMBER.finditer(text):
        last = match[0]
    return last.strip() if last else None


_PROSE = re.compile(r"[A-Za-z]{2,}[,:;]? +[A-Za-z]{2,}")


def _whole(text: str) -> str | None:
    """A short single line that is no sentence is the answer itself: `\\frac{1}{2}`, `Paris`, `x = 3`."""
    line = text.strip()
    if not line or "\n" in line or len(line) > 200 or _PROSE.search(line) or ":" in line:
        return None
    return line.strip("*_ ").rstrip(".")


_RULES = (
    ("boxed", last_boxed),
    ("hashes", _hashes),
    ("announced", _announced),
    ("whole", _whole),
    ("equation", _last_equation),
    ("last_number", _last_number),
)
