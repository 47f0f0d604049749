"""Responses without an answer."""

import unicodedata
from dataclasses import dataclass

from cotdistill.records import Judged


@dataclass
class Filter:
    """Drops responses whose answer is empty or blank, also where there is a trace: a student would learn to stop."""

    def reason_to_drop(self, judged: Judged) -> str | None:
        if any(_shows(letter) for letter in judged.response.text):
            return None
        return "empty answer after a trace" if judged.response.reasoning else "empty answer"


def _shows(letter: str) -> bool:
    """Whether a reader would see it: no space, and none of the marks without width that count as text to Python."""
    return not letter.isspace() and unicodedata.category(letter) not in ("Cc", "Cf")
