"""How sure a local teacher is of the rows."""

import torch
from transformers import PreTrainedModel

from cotdistill.artifacts.logprobs.sureness import ENOUGH_TOKENS, Sureness
from cotdistill.training.collator import Collator
from cotdistill.training.loss import is_compact
from cotdistill.training.scored import Scored, View
from cotdistill.training.token_rows import TokenRows, examples

ROWS_AT_ONCE = 8
"""Rows that the teacher reads in one batch."""


def of_teacher(teacher: PreTrainedModel, rows: TokenRows, pad_token_id: int, temperature: float) -> Sureness:
    """Of a local teacher, on the first rows."""
    lengths = rows.lengths().cumsum()
    count = min(len(rows), int((lengths < ENOUGH_TOKENS).sum()) + 1)
    collate = Collator(rows, pad_token_id, packed=False, compact=is_compact(teacher))
    found = Sureness(temperature=temperature)
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
                found.nats -= float(torch.special.xlogy(logarithms.exp(), logarithms.exp()).sum())
                found.disagreeing += int((part.argmax(dim=-1) != target).sum())
        found.tokens += len(targets)
    return found
