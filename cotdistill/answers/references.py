"""What a reference is: mathematics, or words, a date, a time, a chemical formula."""

import json
import re

from cotdistill.answers.chemistry import is_compound
from cotdistill.answers.choices import chosen_by_reference
from cotdistill.answers.dates import time_of_day
from cotdistill.answers.inequalities import interval
from cotdistill.answers.json_values import json_of
from cotdistill.answers.number_words import is_number_word
from cotdistill.answers.numbers import read_number
from cotdistill.answers.options import read_options
from cotdistill.answers.ratios import range_of, ratio_of, remainder_of
from cotdistill.answers.special import is_empty
from cotdistill.answers.spelling import LETTER, plain, words_of
from cotdistill.answers.symbolic import MAX_EXPRESSION
from cotdistill.answers.worked import cut_reference
from cotdistill.answers.yes_no import NATURAL

_DATE = re.compile(r"\d[-/]\d+[-/]\d|\d:\d|\d\.\d+\.")
_FORMULA = re.compile(r"\d|\\[A-Za-z]|[=^_{}+*/<>|]|^\(.*\)$|^[A-Za-z]$")
_DECADE = re.compile(r"(?:early |mid-?|late )?(?:the )?\d{2,3}0'?s")
_PRODUCT = re.compile(r"\d{0,4}[A-Z]{1,3}(?:\^\{?\d\}?)?|[A-Z]_\d|[A-Z]\^\{?\d\}?")
"""`2AB`, `C_1`, `B^2`: letters of a formula."""


def reads_as_math(reference: str) -> bool:
    """Whether a reference is a number or a formula, rather than words, a date or a time. Cheap."""
    if len(reference) > MAX_EXPRESSION:
        return False
    text = plain(cut_reference(reference))
    if is_compound(text) and re.search(r"\d|[+-]\}?$|\(", text) and not _PRODUCT.fullmatch(text):
        return False
    if time_of_day(text) and re.search(r"m\.?$|^\D", text):  # 7 pm, noon
        return False
    if _DECADE.fullmatch(text):
        return False
    if reference.lstrip()[:2] in ('{"', "{}") and json_of(reference):
        return False
    if (
        is_number_word(text)
        or is_empty(text)
        or interval(text)
        or ratio_of(text)
        or range_of(text)
        or remainder_of(text)
    ):
        return True
    if len(text) > 1 and (words_of(text) or _DATE.search(text)):
        return bool(text[:1].isdigit() and read_number(text))
    return bool(read_number(text) or _FORMULA.search(text) or LETTER.fullmatch(text))


MAX_OPTION = 500
"""Characters; a longer reference is no option of a question."""


def fitting_verifier(reference: str, question: str) -> str:
    """The verifier that fits a reference: `label` for yes, no, true or false, `choice` for an option of the question,
    `math` for what reads as mathematics, else `exact`."""
    answer = cut_reference(reference)
    if answer.strip(" .").casefold() in NATURAL:
        return "label"
    options = read_options(question) if len(answer) < MAX_OPTION else {}
    if "A" in options and isinstance(chosen_by_reference(answer, options), set):
        return "choice"
    if answer.strip() == "None" and not _COUNTS.search(question):  # Python's
        return "exact"
    return "math" if reads_as_math(answer) else "exact"


_COUNTS = re.compile(r"\bhow (?:many|much)\b", re.IGNORECASE)


def accepted_answers(reference: str) -> list[str]:
    """The answers of which each is right: those that a reference lists in JSON, or itself."""
    try:
        listed = json.loads(reference)
    except (ValueError, RecursionError):
        listed = reference
    found = listed if isinstance(listed, list) else [reference]
    return [text for one in found if isinstance(one, str | int | float) and (text := str(one).strip())]
