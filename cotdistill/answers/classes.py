"""Which of several answers are the same: by value, not by spelling."""

from collections.abc import Callable, Sequence
from fractions import Fraction

from cotdistill.answers.numbers import Number, read_number
from cotdistill.answers.rounding import same
from cotdistill.answers.spelling import folded, plain, right_side
from cotdistill.answers.units import Unit

MAX_ANSWERS = 1_000
"""So many different spellings are compared with each other; the rest by spelling only."""

MAX_ASKED = 200
"""Comparisons that `equal` is asked for."""


def classes(answers: Sequence[str], equal: Callable[[str, str], bool] | None = None) -> list[list[int]]:
    """Places of equal answers, the class of the first answer first.

    Numbers are equal by value, other answers where they are spelt alike. What is left, and no number on both sides,
    is put to `equal(first of a class, answer)`, a dear test, at most MAX_ASKED times.
    """
    by_spelling: dict[str, list[int]] = {}
    for place, answer in enumerate(answers):
        by_spelling.setdefault(folded(right_side(plain(answer), "")), []).append(place)
    found: list[tuple[str, Number | None, list[int]]] = []
    by_value: dict[tuple[Fraction, Unit], list[int]] = {}
    asked = 0
    for places in by_spelling.values():
        answer = right_side(plain(answers[places[0]]), "")
        number = read_number(answer) if len(found) < MAX_ANSWERS else None
        value = (number.value, number.unit) if number else None
        if value in by_value:
            by_value[value] += places
            continue
        for known, other, members in found[:MAX_ANSWERS]:
            if number and other:
                met = same(other, number)
            elif equal is None or asked >= MAX_ASKED:
                continue
            else:
                asked += 1
                met = equal(known, answer)
            if met:
                members += places
                break
        else:
            members = places
            found.append((answer, number, members))
        if value:
            by_value[value] = members
    return [sorted(members) for _, _, members in found]
