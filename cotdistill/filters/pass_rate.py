"""Prompts that are too easy, too hard, or never solved."""

from dataclasses import dataclass

from cotdistill.plugins import Share
from cotdistill.records import Judged


@dataclass
class Filter:
    """Drops prompts whose share of correct samples is outside [low, high]. Unverified ones stay."""

    low: Share = 0.0
    high: Share = 1.0

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low={self.low} is above high={self.high}")
        if (self.low, self.high) == (0, 1):
            raise ValueError("every pass rate is from 0 to 1, so nothing would be dropped; give low=X, high=X or both")

    def reason_to_drop(self, judged: Judged) -> str | None:
        if judged.pass_rate is None or self.low <= judged.pass_rate <= self.high:
            return None
        return f"pass rate under {self.low:g}" if judged.pass_rate < self.low else f"pass rate over {self.high:g}"
