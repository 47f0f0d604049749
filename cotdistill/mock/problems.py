"""Verifiable multi-step problems: chains of last-digit operations.

    a=6 b=a*3 c=b-9 d=c+8 e=d*7 f=e-3 g=f+1 g?

Only last digits count, and every operation (+n, -n, *3, *7, *9) permutes the ten digits. So every answer is
equally likely, no shortcut skips a step, and guessing is right one time in ten.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cotdistill.records import Message, Prompt

STEPS = 6
EXAMPLE = "a=6 b=a*3 c=b-9 c?"
"""A short one, for what a person is shown: its answer is 9, and a teacher that forgets to borrow says 1."""
_NAMES = "abcdefghijklmnopqrstuvwxyz"
_FACTORS = (3, 7, 9)
"""The digits above 1 that are invertible modulo 10."""

_CHAIN = re.compile(r"\b([a-z])=(\d)((?: [a-z]=[a-z][-+*]\d){1,20}) ([a-z])\?")
_STEP = re.compile(r"([a-z])=([a-z])([-+*])(\d)")


@dataclass(frozen=True)
class Step:
    name: str
    operator: str
    operand: int

    def apply(self, digit: int) -> int:
        if self.operator == "+":
            return (digit + self.operand) % 10
        if self.operator == "-":
            return (digit - self.operand) % 10
        return digit * self.operand % 10


@dataclass(frozen=True)
class Problem:
    start: int
    steps: tuple[Step, ...]

    @property
    def text(self) -> str:
        names = [_NAMES[0], *(step.name for step in self.steps)]
        parts = [f"{names[0]}={self.start}"]
        parts += [f"{step.name}={names[n]}{step.operator}{step.operand}" for n, step in enumerate(self.steps)]
        return " ".join([*parts, f"{names[-1]}?"])

    @property
    def answer(self) -> str:
        digit = self.start
        for step in self.steps:
            digit = step.apply(digit)
        return str(digit)

    def as_prompt(self, id: str) -> Prompt:
        return Prompt(
            id=id,
            messages=(Message(role="user", content=self.text),),
            reference=self.answer,
            tags={"family": "digit-chain", "steps": str(len(self.steps))},
        )


def generate(
    count: int, seed: int, exclude: frozenset[str] = frozenset(), steps: Sequence[int] = (STEPS,)
) -> list[Problem]:
    """`count` distinct problems, none of whose texts is in `exclude`; each has one of `steps` as its number of steps.
    The same for the same arguments."""
    source = random.Random(seed)
    taken = set(exclude)
    problems: list[Problem] = []
    while len(problems) < count:
        problem = _draw(source, source.choice(steps) if len(steps) > 1 else steps[0])
        if problem.text not in taken:
            taken.add(problem.text)
            problems.append(problem)
    return problems


def parse(text: str) -> Problem | None:
    """The last chain in a text, whatever stands around it; None when there is none."""
    chains = list(_CHAIN.finditer(text))
    if not chains:
        return None
    found = chains[-1]
    steps, before = [], found[1]
    for name, source, operator, operand in _STEP.findall(found[3]):
        if source != before:
            return None
        steps.append(Step(name, operator, int(operand)))
        before = name
    return Problem(int(found[2]), tuple(steps)) if before == found[4] else None


def looks_like_one(text: str) -> bool:
    """Whether a text ends in a chain that does not hang together."""
    return bool(_CHAIN.search(text[-500:].strip()))


def _draw(source: random.Random, count: int) -> Problem:
    steps = []
    for name in _NAMES[1 : count + 1]:
        operator = source.choice("+-*")
        steps.append(Step(name, operator, source.choice(_FACTORS) if operator == "*" else source.randint(1, 9)))
    return Problem(source.randint(0, 9), tuple(steps))
