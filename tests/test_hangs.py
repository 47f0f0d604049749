"""No extractor, filter or verifier reads a nasty text again from every place (table: `tests/benchmarks/hangs.py`)."""

from pathlib import Path

import pytest

from tests.benchmarks.hangs import made, subjects
from tests.cpu import at_most_cpu_s
from tests.nasty import SHAPES

LETTERS = 5_000
"""A quadratic reading of so many letters takes half a second and more, a linear one hundredths of a second."""

LIMITS = {"verifier regex": 3.0, "reference of any_of": 0.8}
"""A deadline ends what is not linear in `regex`: twice that, and what is around it. `any_of` reads a reference twice:
for the verifier that fits it, and with that."""

WITH_WORKERS = {"verifier math", "verifier majority", "reference of math"}
"""Their algebra runs in a process of its own, whose deadline has tests in test_verifier_math.py."""


@pytest.mark.slow
@pytest.mark.parametrize("subject", sorted({*subjects()} - WITH_WORKERS))
def test_nothing_takes_long_over_a_nasty_text(subject: str, tmp_path: Path) -> None:
    run = made(subject, str(tmp_path))
    run("Answer: 4")
    for name, shape in SHAPES.items():
        with at_most_cpu_s(LIMITS.get(subject, 0.3), name):
            run(shape(LETTERS))
