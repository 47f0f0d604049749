"""Responses without an answer."""

import re
import unicodedata
from dataclasses import dataclass

from cotdistill.records import Judged

_FRAME = re.compile(
    r"\$*\\boxed\{\s*\}\$*|<(answer|final_answer|response|output)>\s*</\1>|```\w{0,20}\s*```"
    r"|\*{0,2}(?:final )?answer\*{0,2}:\*{0,2}",
    re.IGNORECASE,
)
"""What an answer stands in."""


@dataclass
class Filter:
    """Drops responses whose answer is empty, or nothing but a frame such as an empty box, also beside a trace.

    A student that learnt from them would learn to stop.
    """

    def reason_to_drop(self, judged: Judged) -> str | None:
        text = judged.response.text
        rest = _FRAME.sub("", text) if len(text) < 200 else text  # an empty answer is short
        if any(_shows(letter) for letter in rest):
            return None
        return "empty answer after a trace" if judged.response.reasoning else "empty answer"


def _shows(letter: str) -> bool:
    """Whether a reader would see it: no space, and none of the marks without width that count as text to Python."""
    return not letter.isspace() and unicodedata.category(letter) not in ("Cc", "Cf")
