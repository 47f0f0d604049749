"""Sample prompts of each kind of task, with what a simulated teacher answers: right and wrong, each with its trace.

They are drawn by a seed, short, and learnable by a student of 0.1 M weights, so that a first recipe ends, offline, in a
student that has visibly learnt. Wrong answers are wrong in a habit, as teachers are: filter has something to drop.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from cotdistill.mock import problems

SEED = 7
WRONG = 0.3
"""Share of the recorded answers that are wrong."""


class Recorded(NamedTuple):
    """One answer of the teacher."""

    reasoning: str
    text: str


@dataclass(frozen=True)
class Sample:
    """`fields` are the columns of a prompt's line, its reference among them; `right` and `wrong` are answers to it."""

    fields: dict[str, object]
    right: tuple[Recorded, ...]
    wrong: tuple[Recorded, ...]

    def recorded(self, count: int, lots: random.Random) -> list[Recorded]:
        """What the teacher answers, sample by sample; one of them at least is right."""
        sure = lots.randrange(count)
        return [
            lots.choice(self.wrong if number != sure and lots.random() < WRONG else self.right)
            for number in range(count)
        ]


def draw(kind: Callable[[random.Random], Sample], count: int) -> list[Sample]:
    """`count` samples with different prompts; the same for the same arguments."""
    lots = random.Random(SEED)
    found: dict[str, Sample] = {}
    while len(found) < count:
        sample = kind(lots)
        found.setdefault(repr(sample.fields), sample)
    return list(found.values())


def chains(count: int) -> Iterator[dict[str, object]]:
    """Sums for the scripted teacher, which solves them itself."""
    for problem in problems.generate(count, seed=SEED, steps=(1, 2)):
        yield {"question": problem.text, "answer": problem.answer}


_LETTERS = "ABC"


def largest(lots: random.Random) -> Sample:
    """Which of three digits is the largest."""
    digits = lots.sample(range(10), 3)
    options = "\n".join(f"{letter}) {digit}" for letter, digit in zip(_LETTERS, digits, strict=True))

    def answer(chosen: int) -> Recorded:
        return Recorded(
            " ".join(
                f"{letter} {digit}{'>' if digit > digits[chosen] else '<'}{digits[chosen]}"
                for letter, digit in zip(_LETTERS, digits, strict=True)
                if digit != digits[chosen]
            )
            + f" {digits[chosen]} {_LETTERS[chosen]}",
            f"Answer: {_LETTERS[chosen]}",
        )

    best = digits.index(max(digits))
    return Sample(
        {"question": f"Which is the largest?\n{options}", "answer": _LETTERS[best]},
        (answer(best),),
        tuple(answer(place) for place in range(3) if place != best),
    )


_EVIDENCE = {
    "billing": ("invoice", "refund", "charge", "payment", "receipt", "price"),
    "bug": ("crash", "error", "freeze", "blank page", "wrong total", "broken link"),
    "question": ("where to", "how to", "whether I can", "what is", "when to", "which way to"),
}
_ABOUT = ("export", "login", "report", "mobile app", "search", "new plan", "team page", "archive")
_OPENINGS = ("Hello,", "Hi,", "Please help:", "Good day,", "Since Monday:", "For the third time:")


def ticket(lots: random.Random) -> Sample:
    """The class of a support ticket, by the words that decide it."""
    label = lots.choice(list(_EVIDENCE))
    evidence, about = lots.choice(_EVIDENCE[label]), lots.choice(_ABOUT)
    text = f"{lots.choice(_OPENINGS)} {evidence} {lots.choice(('in', 'for', 'with'))} the {about}"

    def answer(named: str) -> Recorded:
        return Recorded(f'"{evidence}" is {named}', f"Answer: {named}")

    return Sample(
        {"question": f"Class of this ticket (billing, bug or question)?\n{text}", "answer": label},
        (answer(label),),
        tuple(answer(other) for other in _EVIDENCE if other != label),
    )


_OPERATIONS = {"plus": "+", "minus": "-", "times": "*"}
_FUNCTIONS = ("f", "g", "step", "run", "next", "calc")


def function(lots: random.Random) -> Sample:
    """A function of one line, with two assertions as its tests."""
    name, word, operand = lots.choice(_FUNCTIONS), lots.choice(list(_OPERATIONS)), lots.randint(2, 9)

    def value(operator: str, n: int) -> int:
        return {"+": n + operand, "-": n - operand, "*": n * operand}[operator]

    def answer(operator: str) -> Recorded:
        program = f"```python\ndef {name}(n):\n    return n {operator} {operand}\n```"
        return Recorded(f"{word} is {operator}", program)

    right = _OPERATIONS[word]
    tests = "\n".join(f"assert {name}({n}) == {value(right, n)}" for n in (3, 10))
    return Sample(
        {"question": f"Write {name}(n): n {word} {operand}.", "answer": tests},
        (answer(right),),
        tuple(answer(other) for other in _OPERATIONS.values() if other != right),
    )


_PEOPLE = ("Ana", "Ben", "Cem", "Dora", "Eva", "Finn", "Gus", "Hana")


def older(lots: random.Random) -> Sample:
    """Who is older, in a sentence: free text, which a judge has to read."""
    (one, two), (age, other) = lots.sample(_PEOPLE, 2), lots.sample(range(1, 10), 2)
    elder, younger = (one, two) if age > other else (two, one)
    most, least = max(age, other), min(age, other)

    return Sample(
        {
            "question": f"{one} is {age}, {two} is {other}. Who is older?",
            "answer": f"{elder}, who is {most}, while {younger} is {least}.",
        },
        (Recorded(f"{elder} {most} > {younger} {least}", f"{elder} is older than {younger}."),),
        (Recorded(f"{younger} {least} > {elder} {most}", f"{younger} is older than {elder}."),),
    )


_CITIES = ("Rome", "Oslo", "Lima", "Cairo", "Delhi", "Quito")
_GOODS = ("lamps", "chairs", "books", "maps", "tents", "pens")
_DAYS = ("Monday", "Tuesday", "Friday", "Sunday")


def order(lots: random.Random) -> Sample:
    """One value out of a passage, by its key."""
    values = {
        "who": lots.choice(_PEOPLE),
        "city": lots.choice(_CITIES),
        "count": str(lots.randint(2, 9)),
        "day": lots.choice(_DAYS),
    }
    passage = (
        f"{values['who']} from {values['city']} ordered {values['count']} {lots.choice(_GOODS)} on {values['day']}."
    )
    key = lots.choice(list(values))

    def answer(named: str) -> Recorded:
        return Recorded(f"{key}: {values[named]}", f"Answer: {values[named]}")

    return Sample(
        {"passage": passage, "question": f"{key}?", "answer": values[key]},
        (answer(key),),
        tuple(answer(other) for other in values if other != key),
    )


_PETS = ("Momo", "Rex", "Lola", "Kiki", "Pip", "Tom")


def guest(lots: random.Random) -> Sample:
    """A conversation whose last question can be answered from its turns alone."""
    values = {
        "Who am I?": lots.choice(_PEOPLE),
        "Where am I from?": lots.choice(_CITIES),
        "Who is my cat?": lots.choice(_PETS),
    }
    name, city, cat = values.values()
    question = lots.choice(list(values))
    turns = [
        {"role": "user", "content": f"I am {name} from {city}."},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": f"My cat is {cat}. {question}"},
    ]

    def answer(named: str) -> Recorded:
        return Recorded(f"{question} {values[named]}", values[named])

    said = {"role": "assistant", "content": values[question]}
    return Sample(
        {"messages": [*turns, said]}, (answer(question),), tuple(answer(other) for other in values if other != question)
    )
