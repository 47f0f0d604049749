"""Whether a model's probabilities say when it is right, by the log-probabilities of its own answers' tokens."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cotdistill.records import Confidence
from cotdistill.statistics import auc, auc_interval

BINS = 10
"""Points of the reliability curve, fewer for few answers."""
FEWEST_IN_A_BIN = 10
"""With fewer answers a bin's share of right ones is mostly noise."""


@dataclass
class Calibration:
    """Fed answer by answer; takes 17 bytes of memory each. Two measures of confidence: `sequence`, the probability of
    the whole answer, and `mean`, the geometric mean of its tokens' probabilities, which does not fall with its
    length."""

    _sequence: "array[float]" = field(default_factory=lambda: array("d"), repr=False)
    _mean: "array[float]" = field(default_factory=lambda: array("d"), repr=False)
    _right: bytearray = field(default_factory=bytearray, repr=False)

    def add(self, confidence: Confidence, right: bool) -> None:
        self._sequence.append(confidence.mean_logprob * confidence.tokens)
        self._mean.append(confidence.mean_logprob)
        self._right.append(right)

    def result(self, *, independent: bool = True) -> dict[str, Any] | None:
        """For each measure: `auc`, the probability that a right answer is surer than a wrong one, with its interval
        where the answers are `independent` of each other, as several samples of one prompt are not;
        `ece`, how far confidence is from accuracy on average; and the reliability curve's points, `bins` of equally
        many answers. AUC is absent where all answers are right, or all wrong. None without answers."""
        if not self._right:
            return None
        return {
            "n": len(self._right),
            "sequence": _measured(self._sequence, self._right, independent),
            "mean": _measured(self._mean, self._right, independent),
        }


def _measured(logprobs: Sequence[float], right: Sequence[int], independent: bool) -> dict[str, Any]:
    bins = _reliability(logprobs, right)
    found: dict[str, Any] = {}
    area, positive = auc(logprobs, right), sum(right)
    if area is not None:
        found = {"auc": round(area, 4)}
        if independent:
            found["auc_interval"] = [round(bound, 4) for bound in auc_interval(area, positive, len(right) - positive)]
    error = sum(one["n"] * abs(one["confidence"] - one["accuracy"]) for one in bins) / len(right)
    return {**found, "ece": round(error, 4), "bins": bins}


def _reliability(logprobs: Sequence[float], right: Sequence[int]) -> list[dict[str, Any]]:
    """Bins of equally many answers rather than of equal width: probabilities of whole answers crowd at both ends
    (Nixon et al. 2019, https://arxiv.org/abs/1904.01685). The expected calibration error is that of Guo et al. 2017."""
    order = sorted(range(len(right)), key=lambda place: logprobs[place])
    count = max(1, min(BINS, len(order) // FEWEST_IN_A_BIN))
    parts = [order[len(order) * part // count : len(order) * (part + 1) // count] for part in range(count)]
    return [
        {
            "n": len(part),
            "confidence": round(sum(math.exp(logprobs[place]) for place in part) / len(part), 4),
            "accuracy": round(sum(right[place] for place in part) / len(part), 4),
        }
        for part in parts
    ]
