"""What evaluate says of each student, as it stands in its manifest and in the scores."""

from typing import TypeVar

import msgspec

from cotdistill.artifacts.json_lines import explain
from cotdistill.artifacts.manifest import Manifest
from cotdistill.errors import CotDistillError

T = TypeVar("T")

Interval = tuple[float, float]
"""Wilson's 95 % interval of a share."""


class Group(msgspec.Struct, frozen=True):
    """The prompts of one tag."""

    accuracy: float
    interval: Interval
    n: int = 0


class Majority(msgspec.Struct, frozen=True):
    """What most of `k` sampled answers say."""

    k: int
    accuracy: float
    interval: Interval


class OfClass(msgspec.Struct, frozen=True):
    """One label."""

    n: int
    precision: float
    recall: float
    f1: float


class ByClass(msgspec.Struct, frozen=True):
    """`confusion`: of each reference, how many got which answer."""

    classes: dict[str, OfClass]
    macro_f1: float
    confusion: dict[str, dict[str, int]]


class Bin(msgspec.Struct, frozen=True):
    """Answers of like confidence: its mean, and the share of right ones."""

    n: int
    confidence: float
    accuracy: float


class Measured(msgspec.Struct, frozen=True):
    """How well a confidence tells right answers from wrong ones: `auc` None where all are right, or all wrong; `ece` is
    the expected calibration error."""

    ece: float
    bins: tuple[Bin, ...] = ()
    auc: float | None = None
    auc_interval: Interval | None = None


class Sureness(msgspec.Struct, frozen=True):
    """By the probability of the whole answer (`sequence`), by the mean of its tokens (`mean`), and of several samples
    by the mean over a prompt."""

    n: int
    sequence: Measured
    mean: Measured | None = None
    prompt: Measured | None = None


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One student's score on `n` prompts. `accuracy` is that of its greedy answers, `interval` Wilson's 95 %
    interval of it, `stopped` the share of answers that ended by themselves; `pass_at[k]` and `majority` come from
    sampled answers. `weakest` are tags of `by_tag`. What could not be judged is in none of them."""

    student: str
    n: int
    correct: int
    accuracy: float
    interval: Interval
    stopped: float
    mean_output_tokens: float | None = None
    pass_at: dict[str, float] = msgspec.field(default_factory=dict)
    majority: Majority | None = None
    by_tag: dict[str, Group] = msgspec.field(default_factory=dict)
    weakest: tuple[str, ...] = ()
    by_class: ByClass | None = None
    confidence: Sureness | None = None
    not_judged: int = 0


def scores_of(manifest: Manifest) -> list[Score]:
    """The student's, then those of its baselines; empty for what evaluate did not write."""
    of = manifest.outputs[0].path if manifest.outputs else manifest.stage
    return read(manifest.results.get("students", []), list[Score], of)


def read(found: object, kind: type[T], of: str = "evaluate") -> T:
    """Of a manifest's results; `of` names what it is the manifest of. Raises CotDistillError for an edited one."""
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise CotDistillError(f"{of}: the scores in its manifest cannot be read: {explain(error)}") from None
