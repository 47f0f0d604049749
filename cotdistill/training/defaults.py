"""Chooses the options of finetune that the user left open, each with its reason."""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

from cotdistill.config import FinetuneConfig
from cotdistill.students import tiny
from cotdistill.wording import counted


class Choice(NamedTuple):
    """The value of an option that was not given, and the reason."""

    option: str
    value: float
    reason: str


class Way(NamedTuple):
    """What an option that was left to `auto` became on this machine, and the reason; `notable` where a person expects
    another value, so that a run says it too."""

    option: str
    value: str
    reason: str
    notable: bool = False


BATCH_SIZES = (32, 16, 8)
"""Candidates: the largest that leaves `STEPS_A_PASS` steps a pass is taken."""

STEPS_A_PASS = 50
"""Steps that a batch size must leave in a pass."""
ENOUGH_STEPS = 300
"""For a pretrained student; tests/benchmarks/RESULTS.md says what fewer and more steps taught."""
ENOUGH_STEPS_FROM_NOTHING = 900
"""For the embedded student, whose weights are random."""
FEWEST_PASSES, MOST_PASSES, MOST_PASSES_FROM_NOTHING = 3, 10, 60


def choose(config: FinetuneConfig, rows: int, width: int) -> tuple[FinetuneConfig, Sequence[Choice]]:
    """The config with every open value filled in, and the choices made. `width` is the student's hidden size."""
    choices: list[Choice] = []
    batch_size = config.batch_size
    if batch_size is None:
        batch_size = next((size for size in BATCH_SIZES if rows / size >= STEPS_A_PASS), BATCH_SIZES[-1])
        choices.append(Choice("batch_size", batch_size, _why_batch_size(rows, batch_size)))
    epochs = config.epochs
    if epochs is None:
        epochs = float(_passes(config, rows, batch_size))
        if config.max_steps is None:
            choices.append(Choice("epochs", epochs, _why_epochs(config, epochs, math.ceil(epochs * rows / batch_size))))
    rate = config.learning_rate
    if rate is None:
        rate, reason = learning_rate(config, width)
        choices.append(Choice("learning_rate", rate, reason))
    return dataclasses.replace(config, batch_size=batch_size, epochs=epochs, learning_rate=rate), choices


def _why_batch_size(rows: int, batch_size: int) -> str:
    steps = math.ceil(rows / batch_size)
    sizes = f"{', '.join(map(str, BATCH_SIZES[:-1]))} and {BATCH_SIZES[-1]}"
    passed = f"a pass over {counted(rows, 'row')} is then {counted(steps, 'step')}"
    if rows / batch_size >= STEPS_A_PASS:
        return f"the largest of {sizes} with {STEPS_A_PASS} steps a pass; {passed}"
    return f"the smallest of {sizes}, for few rows; {passed}"


def _why_epochs(config: FinetuneConfig, epochs: float, steps: int) -> str:
    enough, most = _enough(config)
    made = f"{counted(steps, 'step')} in all"
    if epochs == FEWEST_PASSES:
        return f"{made}; many rows are read {FEWEST_PASSES} times"
    if epochs == most:
        return f"{made}; few rows are read {most} times and no more"
    return f"{made}; rows are read until it is {enough}"


def _passes(config: FinetuneConfig, rows: int, batch_size: int) -> int:
    enough, most = _enough(config)
    return min(most, max(FEWEST_PASSES, math.ceil(enough * batch_size / rows)))


def _enough(config: FinetuneConfig) -> tuple[int, int]:
    """The number of steps to aim at, and the most passes for them."""
    if config.student == "tiny":
        return ENOUGH_STEPS_FROM_NOTHING, MOST_PASSES_FROM_NOTHING
    return ENOUGH_STEPS, MOST_PASSES


def learning_rate(config: FinetuneConfig, width: int) -> tuple[float, str]:
    """The peak rate, and why. LoRA's best rate is about ten times full fine-tuning's and falls with the width
    ("LoRA Without Regret", Thinking Machines, 2025; the exponent is tinker-cookbook's for Llama-shaped models). The
    full rate goes through 3e-4 at width 576, measured here, and the customary 2e-5 at 4,096."""
    if config.student == "tiny":
        return tiny.LEARNING_RATE, "a student of 0.1 M random weights"
    at_width = f"at width {width}; wider students learn at a lower one"
    if config.adapts:
        return _two_digits(5e-4 * (2000 / width) ** 0.781), f"LoRA {at_width}"
    return _two_digits(3e-4 * (576 / width) ** 1.38), f"all weights {at_width}"


def _two_digits(rate: float) -> float:
    return float(f"{rate:.1e}")
