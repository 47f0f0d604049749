"""Guesses the kind of task that a user's prompts are."""

from collections.abc import Callable

from cotdistill.answers.references import reads_as_math
from cotdistill.inputs.entries import Entry
from cotdistill.inputs.labelled import LABEL_FIELDS
from cotdistill.inputs.values import simple, spellings
from cotdistill.recipes import tasks
from cotdistill.recipes.own_prompts import OwnPrompts


def kind_of(own: OwnPrompts) -> str:
    """The name of a task, by what most of the first prompts look like."""
    if not own.with_reference and any(one in LABEL_FIELDS for name in own.ignored for one in spellings(name)):
        return "classification"
    for name, fits in _KINDS.items():
        if 2 * sum(map(fits, own.entries)) > len(own.entries):
            return name
    return tasks.OTHER


def _is_choice(entry: Entry) -> bool:
    return (entry.prompt.verifier or "").partition(":")[0] == "choice"


def _has_tests(entry: Entry) -> bool:
    return bool(entry.reading.tests)


def _is_chat(entry: Entry) -> bool:
    return sum(turn.role == "user" for turn in entry.prompt.messages) > 1


def _has_labels(entry: Entry) -> bool:
    return simple((entry.reading.reference_from or "").strip("'")) in LABEL_FIELDS


def _has_passage(entry: Entry) -> bool:
    return bool(entry.reading.joined) and entry.prompt.reference is not None


def _is_mathematical(entry: Entry) -> bool:
    return entry.prompt.reference is not None and reads_as_math(entry.prompt.reference)


_KINDS: dict[str, Callable[[Entry], bool]] = {
    "code": _has_tests,
    "choice": _is_choice,
    "chat": _is_chat,
    "classification": _has_labels,
    "maths": _is_mathematical,
    "extraction": _has_passage,
}
