"""Training on preference pairs (DPO), in place of reading rows one by one.

The loss is that of TRL's DPOTrainer, which a test holds it to. That trainer itself reads twenty numbers of each step
for its log, and waits for the GPU at each of them; this one scores trained positions alone, as for rows.
"""

import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import logsigmoid
from transformers import PreTrainedModel

from cotdistill.config import FinetuneConfig
from cotdistill.training import precision
from cotdistill.training.collator import Batch, Collator
from cotdistill.training.defaults import Choice, choose, learning_rate
from cotdistill.training.loss import of_rows, token_losses
from cotdistill.training.schedule import Schedule, rows_at_once
from cotdistill.training.token_rows import TokenRows, examples
from cotdistill.training.trainer import OF_THE_LOSS, Trainer

SLOWER = 20
"""The learning rate for rows is divided by this for pairs: they move a student that answers already, and too fast a
step makes both answers unlikely."""


def choose_for_pairs(config: FinetuneConfig, pairs: int, width: int) -> tuple[FinetuneConfig, Sequence[Choice]]:
    """The config with every open value filled in, and the choices made."""
    if config.learning_rate is not None:
        return choose(config, pairs, width)
    rate, reason = learning_rate(config, width)
    chosen, choices = choose(dataclasses.replace(config, learning_rate=float(f"{rate / SLOWER:.1e}")), pairs, width)
    words = f"a twentieth of the rate for rows, {reason}"
    return chosen, [*choices, Choice("learning_rate", float(chosen.learning_rate or 0), words)]


def schedule(rows: TokenRows, config: FinetuneConfig) -> Schedule:
    """Goes through the pairs in a new order each pass; an example is one pair."""
    pairs, batch_size = len(rows) // 2, config.batch_size or 1
    steps_per_pass = -(-pairs // batch_size)
    steps = config.max_steps or -(-int(np.ceil((config.epochs or 1.0) * pairs)) // batch_size)
    random = np.random.default_rng(config.seed)
    passes = -(-steps * batch_size // pairs)
    order = np.concatenate([random.permutation(pairs) for _ in range(passes)])[: steps * batch_size]
    lengths = rows.lengths().reshape(-1, 2)
    data = examples([2 * int(pair), 2 * int(pair) + 1] for pair in order)
    widest = 2 * rows_at_once(config) * rows.longest
    share = 1 - float(lengths.sum()) / float(2 * lengths.max(axis=1).sum())
    return Schedule(
        rows=rows,
        examples=data,
        packed=False,
        steps=steps,
        steps_per_pass=steps_per_pass,
        padding_share=share,
        lengths=lengths.sum(axis=1)[order],
        widest=widest,
    )


@dataclass(frozen=True)
class PairBatches:
    """Batches of preference pairs, and the trainer that learns from them (see `prepared.BatchSource`). `reference` is
    the student as it was; None where that is the student without its adapter."""

    beta: float
    reference: PreTrainedModel | None

    @classmethod
    def of(cls, student: PreTrainedModel, beta: float, config: FinetuneConfig) -> "PairBatches":
        if config.adapts:
            return cls(beta, None)
        reference = copy.deepcopy(student).eval().requires_grad_(False)
        precision.autocast(reference, config)
        return cls(beta, reference)

    def losses(self, model: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """(B,) of each pair: -log sigmoid(beta times its margin), in nats, and the margin, by how much more the right
        answer has gained on the reference than the wrong one."""
        own = _logprobs(model, batch)
        with torch.no_grad():
            if self.reference is not None:
                before = _logprobs(self.reference, batch)
            else:
                with model.disable_adapter():
                    before = _logprobs(model, batch)
        gained = own - before
        margins = gained[::2] - gained[1::2]
        return -logsigmoid(self.beta * margins), margins

    def trainer(self, **settings: Any) -> "PairTrainer":
        return PairTrainer(pairs=self, **settings)

    def collator(self, of_rows: Collator) -> Collator:
        """A batch of B pairs is one of 2B rows: a right answer, its wrong one, and so on."""
        return of_rows

    def readers(self, student: PreTrainedModel) -> Sequence[PreTrainedModel]:
        return [student] if self.reference is None else [student, self.reference]


class PairTrainer(Trainer):
    def __init__(self, *, pairs: PairBatches, **settings: Any) -> None:
        super().__init__(**settings)
        self.pairs = pairs

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], torch.Tensor | float | None]:
        """The batches of one step, and its number of pairs."""
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        return batches, float(sum(len(batch["spans"]) // 2 for batch in batches)) if batches else None

    def compute_loss(
        self,
        model: Any,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | float | None = None,
    ) -> torch.Tensor:
        """The part of the mean over a step's pairs."""
        self.read_tokens += inputs["read_tokens"]
        self.trained_tokens += inputs["trained_tokens"]
        losses, margins = self.pairs.losses(model, inputs)
        pairs = len(losses) if num_items_in_batch is None else num_items_in_batch
        self.entries.add("in_order", (margins > 0).sum() / pairs)
        return losses.sum() / pairs

    def in_words(self, logs: Mapping[str, float]) -> str:
        return f"loss {logs['loss']:.3f}  {logs['in_order']:.0%} of the pairs in order"


def _logprobs(model: Any, batch: Batch) -> torch.Tensor:
    """(rows,) of each row's trained tokens together."""
    read = {name: value for name, value in batch.items() if name not in OF_THE_LOSS}
    losses = token_losses(model(**read, use_cache=False).logits, batch.get("kept"), batch["targets"])
    return -of_rows(losses, None, batch["row_of"], len(batch["spans"]))[:, 0]
