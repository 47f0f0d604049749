"""Budgets of processor time: a test that a busy machine cannot fail."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_most_cpu_s(seconds: float, what: object = "") -> Iterator[None]:
    """The block uses no more processor time of this process than that, however long it takes by the wall."""
    began = time.process_time()
    yield
    used = time.process_time() - began
    assert used <= seconds, f"{what}: {used:.2f} s of processor time, expected at most {seconds} s"
