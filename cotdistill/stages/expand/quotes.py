"""A reference that is a quotation: the passage vouches for its words, as no vote of answers can."""

import re

from cotdistill.expanders import Expander

BY_QUOTE = {"reference_by": "quote"}
"""The tag of a prompt whose reference are words of its passage."""

MOST_LETTERS = 100
"""A longer quotation is a sentence, which hardly two answers say alike."""


def are_made_by(expander: Expander) -> bool:
    return hasattr(expander, "quoted")


def problem(passage: str, question: str, answer: str) -> str | None:
    """Why these words are no reference; None where they are one."""
    words = folded(answer)
    if not words:
        return "it does not say which words of the passage answer it"
    if len(words) > MOST_LETTERS:
        return f"its answer has more than {MOST_LETTERS} letters"
    if not _holds(passage, words):
        return "its answer does not stand in the passage"
    if _holds(question, words):
        return "it holds its answer"
    return None


def folded(text: str) -> str:
    """On one line, without the marks that are put around a quotation."""
    return " ".join(text.split()).strip("\"'`“”„«» ").rstrip(".")


def _holds(text: str, words: str) -> bool:
    whole = rf"(?<!\w){re.escape(words)}(?!\w)"
    return re.search(whole, " ".join(text.split()), re.IGNORECASE) is not None
