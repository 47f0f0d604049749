"""The two sides of a data set: rows to train on, and prompts that are held out for evaluate."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cotdistill.artifacts import ArtifactWriter
from cotdistill.artifacts.logprobs import Carrier
from cotdistill.records import MAJORITY, Judged, Prompt, is_by_majority
from cotdistill.stages.format.features import Features
from cotdistill.stages.format.order import Ordered


@dataclass(frozen=True)
class Side:
    """The writer of a side's rows, and of the log-probabilities of their answers."""

    rows: Ordered
    logprobs: Carrier


@dataclass
class Sides:
    """Puts every prompt wholly on one side: about `share` of the prompts that can examine a student are `held`. Their
    prompts are written to `prompts`; `features` sees every row."""

    training: Side
    held: Side
    prompts: ArtifactWriter
    share: float
    features: Features
    can_examine: int = 0

    def write(self, samples: Sequence[Judged], rows: Iterable[tuple[dict[str, Any], Judged | None]]) -> None:
        """Write the rows of one prompt, each given with the response that it holds whole."""
        prompt, examines = samples[0].response.prompt, _can_examine(samples)
        self.can_examine += examines
        is_held = examines and is_held_out(prompt, self.share)
        side = self.held if is_held else self.training
        for row, answer in rows:
            self.features.see(row)
            side.rows.write(row, samples[0])
            if answer is not None:
                side.logprobs.take(answer.response, row["id"])
        if is_held:
            self.prompts.write(prompt)

    @property
    def records(self) -> int:
        return self.training.rows.records + self.held.rows.records

    def notes(self) -> list[str]:
        """A note where chance held out another share than was asked for, or where nothing is held out."""
        held, prompts = self.prompts.records, self.can_examine
        if not self.share or (held and abs(held / prompts - self.share) <= self.share / 3):
            return []
        if not prompts:
            return [
                "nothing is held out: no prompt has a reference that can examine a student (one by majority, as "
                "expand's, cannot), and none was judged without one (filter --verify judge:…)"
            ]
        return [
            f"held out {held} of {prompts} prompts, where {self.share:.0%} was asked for: a prompt's side depends on "
            f"its text alone, so few prompts come out uneven"
        ]


def _can_examine(samples: Sequence[Judged]) -> bool:
    """Whether another answer to the prompt could be judged: not by an unverified reference, and without a reference
    only if a verifier that needs none judged this one."""
    first = samples[0]
    if first.response.prompt.reference is not None:
        return not is_by_majority(first.response.prompt)
    return first.verdict.status != "unverified" and first.verdict.method != MAJORITY


def is_held_out(prompt: Prompt, share: float) -> bool:
    """Whether a prompt is held out, by its text alone. A prompt with an unverified reference never is: it would be no
    exam."""
    if is_by_majority(prompt):
        return False
    digest = hashlib.sha256(msgspec.json.encode(prompt.messages)).digest()
    return int.from_bytes(digest[:8]) < share * 2**64
