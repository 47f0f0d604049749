"""Texts with their classes: a text in one column and its label in another. Neither name says so alone."""

from typing import Any

from cotdistill.inputs.values import Fields, SlipError

TEXT_FIELDS = (
    "text",
    "sentence",
    "review",
    "comment",
    "tweet",
    "utterance",
    "message",
    "ticket",
    "content",
    "document",
)
LABEL_FIELDS = ("label", "category", "class", "intent", "sentiment", "label_text")


def label_column(fields: Fields, question_from: str) -> str | None:
    """The column with the label, where the question was a text of TEXT_FIELDS; `question_from` names its column."""
    text = fields.first(TEXT_FIELDS)
    return fields.first(LABEL_FIELDS) if text and question_from.startswith(repr(text)) else None


def check_named(value: Any, column: str) -> None:
    """Raises SlipError for a label that is a number: what it stands for is known to the file's author alone."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number or (isinstance(value, str) and value.strip().isdecimal()):
        raise SlipError(
            f"{column}: holds a number where a teacher needs a label's name; write the names into a column, or take "
            f"the numbers as they are with --reference-field {column}"
        )
