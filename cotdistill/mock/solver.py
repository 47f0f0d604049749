"""The scripted solver: worked solutions with a systematic mistake, as a teacher with a habit makes it.

When a subtraction needs a borrow it forgets, six times in ten, and takes the smaller digit from the larger the
wrong way round; then it carries on with the wrong digit. The mistake is systematic on purpose: a student that
imitates its teacher greedily averages random slips away, and unfiltered traces would look harmless.
"""

import random

from cotdistill.mock.problems import Problem, Step

FORGETS = 0.6
"""Share of borrows forgotten; about 58 % of all traces then end right."""


def solve(problem: Problem, sample: int, seed: int = 0) -> tuple[str, str]:
    """Trace and answer, such as ("b=6*3=8 c=8-9=1", "1"); the same for the same arguments, in any process."""
    habit = random.Random(f"{seed}/{sample}/{problem.text}")
    digit, lines = problem.start, []
    for step in problem.steps:
        result = _apply(step, digit, habit)
        lines.append(f"{step.name}={digit}{step.operator}{step.operand}={result}")
        digit = result
    return " ".join(lines), str(digit)


def _apply(step: Step, digit: int, habit: random.Random) -> int:
    needs_borrow = step.operator == "-" and digit < step.operand
    if needs_borrow and habit.random() < FORGETS:
        return step.operand - digit
    return step.apply(digit)
