"""Prompts whose answers their teacher was unsure of, by the log-probabilities that `generate --logprobs` keeps."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from cotdistill.plugins import Share
from cotdistill.records import Confidence, Judged


@dataclass
class Filter:
    """Drops prompts whose teacher was unsure: min=0.9 (probability of a token), or quantile=0.2 (the least sure fifth).

    A prompt's confidence is that of all its samples: the geometric mean of their tokens' probabilities (of=mean), or
    the mean of their least likely tokens' (of=worst). It ranks prompts; it does not say which of several answers to one
    prompt is right, for a systematic mistake is the likeliest answer: on=response decides on each answer all the same.
    `quantile` counts those that all else has left. What has no log-probabilities is dropped too.
    """

    remembers: ClassVar[bool] = True
    needs_logprobs: ClassVar[bool] = True

    min: Share | None = None
    quantile: Annotated[float, msgspec.Meta(ge=0, lt=1)] | None = None
    of: Literal["mean", "worst"] = "mean"
    on: Literal["prompt", "response"] = "prompt"

    _seen: Any = field(default_factory=lambda: array("d"), init=False, repr=False)
    _least: float | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.min is not None and self.quantile is not None:
            raise ValueError("min and quantile are two ways to say it; leave one of them out")
        if self.min is None and self.quantile is None:
            self.min = 0.9

    @property
    def looks_ahead(self) -> bool:
        return self.quantile is not None

    def consider(self, samples: Sequence[Judged]) -> None:
        for one in samples[:1] if self.on == "prompt" else samples:
            if (found := self._confidence(one)) is not None:
                self._seen.append(found)

    def reason_to_drop(self, judged: Judged) -> str | None:
        found = self._confidence(judged)
        if found is None:
            return "no log-probabilities; generate --logprobs asks for them"
        if self.min is not None:
            return None if found >= self.min else f"{self._what()} under {self.min:g}"
        if self._least is None:
            ranked = sorted(self._seen)
            self._least = ranked[int(len(ranked) * (self.quantile or 0))] if ranked else 0.0
        return None if found >= self._least else f"{self._what()} in the lowest {self.quantile:.0%}"

    def _confidence(self, judged: Judged) -> float | None:
        known: Confidence | None = judged.confidence if self.on == "prompt" else judged.response.confidence
        if known is None:
            return None
        return math.exp(known.mean_logprob if self.of == "mean" else known.worst_logprob)

    def _what(self) -> str:
        return f"{'worst' if self.of == 'worst' else 'mean'} confidence"
