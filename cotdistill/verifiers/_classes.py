"""Which of several answers are the same: by value, not by spelling."""

from collections.abc import Sequence

from cotdistill.verifiers._numbers import Number, read, same
from cotdistill.verifiers._spelling import folded, plain

MAX_ANSWERS = 1_000
"""So many different spellings are compared with each other; the rest by spelling only."""


def classes(answers: Sequence[str]) -> list[list[int]]:
    """Places of equal answers, the class of the first answer first. Numbers are equal by value, other answers where
    they are spelt alike."""
    by_spelling: dict[str, list[int]] = {}
    for place, answer in enumerate(answers):
        by_spelling.setdefault(folded(plain(answer)), []).append(place)
    found: list[tuple[Number | None, list[int]]] = []
    for spelling, places in by_spelling.items():
        number = read(spelling) if len(found) < MAX_ANSWERS else None
        for known, members in found if number else ():
            if known and number and same(known, number):
                members += places
                break
        else:
            found.append((number, places))
    return [sorted(members) for _, members in found]
