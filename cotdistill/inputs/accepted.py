"""Several accepted answers to one question, as data sets list them."""

from collections.abc import Mapping

from cotdistill.inputs.choices import list_in_text
from cotdistill.inputs.values import GAPS, Fields, as_text

ACCEPTED_FIELDS = (
    *("accepted_answers", "possible_answers", "answer_aliases", "answer.aliases", "answers.text", "answers", "aliases"),
    "correct_answers",
)
"""Lists of answers of which each is right: SQuAD, TriviaQA, WebQuestions, PopQA, TruthfulQA."""


def accepted(fields: Fields, references: tuple[str, ...]) -> tuple[str, list[str]] | None:
    """The column that lists accepted answers, and these without repeats; that of one of the columns `references` stands
    first. None where no column lists any."""
    column = fields.first(ACCEPTED_FIELDS)
    value = fields.get(column) if column else None
    if isinstance(value, str) and value.startswith("["):
        value = list_in_text(value)
    if isinstance(value, list):  # SQuAD's own release: [{"text": …, "answer_start": …}]
        value = [one.get("text") if isinstance(one, Mapping) else one for one in value]
    if not column or not isinstance(value, list) or not all(isinstance(one, str | int | float) for one in value):
        return None
    own = fields.first(references)
    main = fields.get(own) if own else None
    main = main.get("value") if isinstance(main, Mapping) else main  # TriviaQA
    listed = [main] if isinstance(main, str | int | float) and not isinstance(main, bool) else []
    texts = dict.fromkeys(as_text(one, column).strip() for one in [*listed, *value])
    kept = [text for text in texts if text and text not in GAPS]
    if kept and own and listed:
        fields.use(own)
    return (fields.name(column) or column.partition(".")[0], kept) if kept else None
