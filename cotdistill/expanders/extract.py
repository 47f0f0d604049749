"""Questions about passages of documents, each with its answer in the passage's own words."""

import re
from dataclasses import dataclass
from typing import ClassVar

from cotdistill.expanders import PASSAGE_LETTERS
from cotdistill.expanders._frame import about_passage, below_passage
from cotdistill.plugins import Count

_RULES = (
    "Its answer must stand in the passage word for word, in at most ten words; whoever answers will see the passage. "
    "Do not speak of a text or a passage, and do not let the question hold its answer. Write it in the language of the "
    "passage. Write the question, and below it, alone on the last line, these words of the passage, in the form\n\n"
    "Answer: <words>"
)
_LAST_LINE = re.compile(r"\n[*_ ]{0,4}Answer[*_ ]{0,4}:[*_ ]{0,4}(?P<answer>[^\n]*?)[*_ ]{0,4}\Z", re.IGNORECASE)


@dataclass
class Expander:
    """Writes questions about passages of documents whose answer stands there word for word: it is their reference.

    Passages are those of `document`, of up to `letters`. A question whose answer is not in the passage is left out.
    """

    reads_documents: ClassVar[bool] = True

    letters: Count = PASSAGE_LETTERS

    def facets(self) -> dict[str, str]:
        return {
            "name": "Ask for a name that it states, of a person, a place or a thing.",
            "number": "Ask for a number, an amount or a measure that it states.",
            "time": "Ask for a year, a day or a time that it states.",
            "fact": "Ask for one other thing that it states in a few words.",
        }

    def instruction(self, source: str, wish: str) -> str:
        return about_passage(source, wish, _RULES)

    def prompt(self, source: str, written: str) -> str:
        return below_passage(source, written)

    def quoted(self, written: str) -> tuple[str, str]:
        """The question, and the words of the passage that answer it; no words where none are said."""
        found = _LAST_LINE.search(written.strip())
        return (written[: found.start()].strip(), found["answer"]) if found else (written, "")
