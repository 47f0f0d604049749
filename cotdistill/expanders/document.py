"""Questions about passages of documents."""

from dataclasses import dataclass
from typing import ClassVar

from cotdistill.expanders import PASSAGE_LETTERS
from cotdistill.expanders._frame import about_passage, below_passage
from cotdistill.plugins import Count

_RULES = (
    "The passage alone must hold all that is needed to answer it; whoever answers will see the passage. Do not speak "
    "of a text or a passage, and do not give the answer. Write it in the language of the passage. Write only the "
    "question."
)


@dataclass
class Expander:
    """Writes questions about each passage of text, Markdown, HTML and PDF files; the passage stands before each.

    A passage is a section, or paragraphs of one, of up to `letters`; shorter ones of one section are joined.
    """

    reads_documents: ClassVar[bool] = True

    letters: Count = PASSAGE_LETTERS

    def facets(self) -> dict[str, str]:
        return {
            "fact": "Ask for one fact that it states.",
            "reason": "Ask why something in it is so, or what follows from it.",
            "compare": "Ask how two things in it differ, or what they have in common.",
            "work-out": "Ask for something that has to be worked out from two or more of its statements.",
            "apply": "Ask what it means for a case that it does not mention itself.",
            "define": "Ask what a term in it means, as it is used there.",
        }

    def instruction(self, source: str, wish: str) -> str:
        return about_passage(source, wish, _RULES)

    def prompt(self, source: str, written: str) -> str:
        return below_passage(source, written)
