"""Who scores what the student wrote: a model on this device, or a server that the stage asks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from cotdistill.chat.template import Rendered
from cotdistill.providers.scoring import Scores
from cotdistill.training.collator import Batch, Collator
from cotdistill.training.on_policy.distance import Distance
from cotdistill.training.on_policy.rollout import Written
from cotdistill.training.token_rows import TokenRows


class Teaching(Protocol):
    """Two steps: what can be known before the student's own pass (`add`), and the loss after it."""

    def add(self, batches: Sequence[Batch], written: Sequence[Sequence[Written]]) -> None:
        """Put what it makes of each batch of answers beside what the student reads."""

    def losses(self, student: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(N, vocabulary) scores of the student at the tokens of its answers -> (N,) losses in nats."""


LISTED = ("listed_ids", "listed_logprobs")
READ_BY_TEACHER = "read_by_teacher"


@dataclass(frozen=True)
class Served:
    """`ask` scores the answers of a whole step; it may raise CotDistillError."""

    ask: Callable[[Sequence[Written]], Sequence[Scores]]
    distance: Distance

    def add(self, batches: Sequence[Batch], written: Sequence[Sequence[Written]]) -> None:
        scores = iter(self.ask([one for part in written for one in part]))
        for batch, part in zip(batches, written, strict=True):
            own = [next(scores) for _ in part]
            batch["listed_ids"] = torch.from_numpy(np.concatenate([one.ids for one in own]).astype(np.int64))
            batch["listed_logprobs"] = torch.from_numpy(np.concatenate([one.logprobs for one in own]))

    def losses(self, student: torch.Tensor, batch: Batch) -> torch.Tensor:
        return self.distance.from_listed(student, *(batch[name] for name in LISTED))


@dataclass(frozen=True)
class Local:
    """A frozen model, `compact` where it can be asked for the scores of some positions alone. `prompts` are what it
    reads before each answer, by the prompt's number, where that is not what the student reads."""

    model: Any
    distance: Distance
    pad_token_id: int
    compact: bool
    prompts: Sequence[Sequence[int]] | None = None

    def add(self, batches: Sequence[Batch], written: Sequence[Sequence[Written]]) -> None:
        if self.prompts is None:
            return
        for batch, part in zip(batches, written, strict=True):
            rows = [(self.prompts[one.prompt], one.answer) for one in part]
            other = as_batch(rows, self.pad_token_id, compact=True)
            batch[READ_BY_TEACHER] = {name: one for name, one in other.items() if isinstance(one, torch.Tensor)}

    def losses(self, student: torch.Tensor, batch: Batch) -> torch.Tensor:
        read = batch.get(READ_BY_TEACHER, batch)
        places = read.get("logits_to_keep")
        asked = {} if places is None or not self.compact else {"logits_to_keep": places}
        with torch.no_grad():
            logits = self.model(input_ids=read["input_ids"], use_cache=False, **asked).logits
        if places is not None and not asked:
            logits = logits[:, places]
        logits = logits.flatten(0, 1)
        return self.distance.from_scores(student, logits[read["kept"]] if "kept" in read else logits)


def as_batch(rows: Sequence[tuple[Sequence[int], Sequence[int]]], pad_token_id: int, *, compact: bool) -> Batch:
    """Pairs of a prompt's and an answer's token ids as a batch whose trained tokens are those of the answers."""
    held = TokenRows()
    for prompt, answer in rows:
        held.add(Rendered([*prompt, *answer], len(prompt), "native"))
    collator = Collator(held, pad_token_id, packed=False, compact=compact)
    return collator([{"rows": [row], "held_out": False} for row in range(len(held))])
