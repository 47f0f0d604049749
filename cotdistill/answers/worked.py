"""The answer in a worked reference."""

import re

from cotdistill.answers import prose
from cotdistill.answers.announce import last_announced
from cotdistill.answers.boxes import last_boxed, last_hashes, last_tagged
from cotdistill.answers.extract import ANSWER_WINDOW, concluded, final_answer
from cotdistill.reasoning import split

_REFERENCE_LINE = re.compile(r"(?:A|Answer|Final answer)[ \t]{0,8}:[ \t]{0,8}(\S.*)", re.IGNORECASE)


def cut_reference(text: str) -> str:
    """The answer in a worked reference: an `<answer>` tag, the last `\\boxed{}`, GSM8K's `#### 18`, Minerva's closing
    words, the last line `A: 18` of GSM8K's other release, what it announces, "… Hence the answer is 18.", or the number
    that its calculation in prose ends with; any other text is the answer itself. A trace before it does not count."""
    text = (split(text).answer if "<" in text or "[" in text else text).strip() or text.strip()
    above, _, last = text.rpartition("\n")
    label = _REFERENCE_LINE.match(last) if above else None
    marked = last_tagged(text) if "<" in text else None
    marked = marked or last_boxed(text) or last_hashes(text) or concluded(text) or (label[1].strip() if label else None)
    return marked or _announced_at_the_end(text) or _calculated(text) or text


def _announced_at_the_end(text: str) -> str | None:
    """What the last sentence of a reference announces: "First add 5 and 7. The answer is 12." """
    if len(text) < 15 or "answer" not in text[-200:].lower():
        return None
    said = last_announced(text[-ANSWER_WINDOW:])
    ends = said and said.answer and text.rstrip(" .!*$\n").endswith(said.answer.rstrip(" .!*$"))
    return said.answer if said and ends and not said.weak else None


_CALCULATION = re.compile(
    r"[\d)%]\s?(?:[-+*/×÷−·x]|\\times|\\cdot)\s?[$€£(]?\d[\d.,()%]*\s?=\s?(?:<<[^<>]{1,80}>>)?[$€£]?(-?\d[\d,]*(?:\.\d+)?)"
)
_SENTENCES = re.compile(r"[.!?\n]\s*(?=[A-Z])")


def _calculated(text: str) -> str | None:
    """The number that a worked solution without a mark ends with, where that is what its last calculation gives:
    "She sold 48/2 = 24 clips in May. In all she sold 48 + 24 = 72 clips." """
    results = _CALCULATION.findall(text) if len(text) >= 40 and _SENTENCES.search(text) else []
    if not results or (found := final_answer(text)) is None or found.rule not in ("equation", "last_number"):
        return None
    last = _SENTENCES.split(text.strip())[-1]
    said = found.answer.rpartition("=")[2].strip()
    numbers = [number.strip(" $€£%") for number in prose.NUMBER.findall(said)]
    plainly = found.answer in last and len(said) <= 40 and not _REASONS.search(last)
    return said if plainly and numbers == results[-1:] else None


_REASONS = re.compile(r"\b(?:because|since|if|whether)\b", re.IGNORECASE)
