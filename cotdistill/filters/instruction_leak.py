"""Texts that repeat the instruction that asked for them, as new prompts of a teacher do now and then."""

import re
from dataclasses import dataclass

from cotdistill.filters._texts import every_turn, folded, words
from cotdistill.plugins import Count
from cotdistill.records import Judged

_GIVEN = re.compile(r"<(seed|context)>.*?</\1>", re.DOTALL)
"""What an instruction is about, and not the instruction: a text like it is wanted."""

_TAG = re.compile(r"</?(?:seed|context)>")


@dataclass
class Filter:
    """Drops answers that repeat `words` words in a row of their prompt, but for what stands in <seed> or <context>."""

    words: Count = 8

    def reason_to_drop(self, judged: Judged) -> str | None:
        asked = _GIVEN.sub("\n", every_turn(judged.response.prompt))
        if _TAG.search(judged.response.text):
            return "repeats the instruction"
        return "repeats the instruction" if self._runs(asked) & self._runs(judged.response.text) else None

    def _runs(self, text: str) -> set[tuple[str, ...]]:
        found = words(folded(text))
        return set(zip(*(found[start:] for start in range(self.words)), strict=False))
