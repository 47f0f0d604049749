"""How sure a teacher is of the rows it teaches: where it is wholly sure, soft labels say what the rows say already."""

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from cotdistill.training.collator import Collator
from cotdistill.training.loss import is_compact
from cotdistill.training.scored import Scored, View
from cotdistill.training.token_rows import TokenRows, examples

ENOUGH_TOKENS = 20_000
"""That are looked at, prompts included: the mean entropy of so many is known within a few hundredths."""

ROWS_AT_ONCE = 8

NOTHING_TO_SAY = 0.01
"""Nats a token. The embedded task's right traces have 0.0003, and there soft labels changed nothing."""


@dataclass(frozen=True)
class Sureness:
    """Over `tokens` trained ones: the mean entropy in nats, and the share of those for which the teacher's first choice
    is another token than the row's."""

    tokens: int
    entropy: float
    disagreeing: float
    temperature: float = 1.0

    def results(self) -> dict[str, float]:
        return {"teacher_entropy": round(self.entropy, 4), "teacher_disagrees": round(self.disagreeing, 4)}

    def words(self) -> str:
        at = f" at temperature {self.temperature:g}" if self.temperature != 1 else ""
        said = (
            f"the teacher's entropy is {self.entropy:.4f} nats a token{at}; at {self.disagreeing:.2%} of "
            f"{self.tokens:,} trained tokens its first choice is another one"
        )
        if self.entropy >= NOTHING_TO_SAY:
            return said
        return f"{said}. So sure a teacher says no more than the rows do: expect what --loss nll gives"


def of_teacher(teacher: PreTrainedModel, rows: TokenRows, pad_token_id: int, temperature: float) -> Sureness:
    """Of a local teacher, on the first rows."""
    lengths = rows.lengths().cumsum()
    count = min(len(rows), int((lengths < ENOUGH_TOKENS).sum()) + 1)
    collate = Collator(rows, pad_token_id, packed=False, compact=is_compact(teacher))
    tokens, entropy, disagreeing = 0, 0.0, 0
    data = examples([number] for number in range(count))
    for start in range(0, count, ROWS_AT_ONCE):
        batch = collate([data[number] for number in range(start, min(start + ROWS_AT_ONCE, count))])
        tensors = {name: one.to(teacher.device) for name, one in batch.items() if isinstance(one, torch.Tensor)}
        targets, kept = tensors.pop("targets"), tensors.pop("kept", None)
        tensors.pop("weights", None)
        with torch.no_grad():
            seen = View(teacher(**tensors, use_cache=False), teacher.config)
            scores = Scored(seen, targets, tensors.get("logits_to_keep"), kept).scores(seen)
            for part, target in zip(torch.split(scores, 256), torch.split(targets, 256), strict=True):
                logarithms = (part.float() / temperature).log_softmax(dim=-1)
                entropy -= float(torch.special.xlogy(logarithms.exp(), logarithms.exp()).sum())
                disagreeing += int((part.argmax(dim=-1) != target).sum())
        tokens += len(targets)
    return Sureness(tokens, entropy / tokens, disagreeing / tokens, temperature)
