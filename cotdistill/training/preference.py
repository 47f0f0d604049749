"""Training on preference pairs with TRL's DPOTrainer, in place of reading rows one by one."""

import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset, are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from peft import PeftModel
from torch.nn.utils.rnn import pad_sequence
from trl import DPOConfig, DPOTrainer

from cotdistill.config import FinetuneConfig
from cotdistill.training.collator import Batch
from cotdistill.training.defaults import Choice, choose, learning_rate
from cotdistill.training.schedule import Schedule, rows_at_once
from cotdistill.training.token_rows import TokenRows
from cotdistill.training.trainer import COUNTED, Counting

SLOWER = 20
"""The learning rate for rows is divided by this for pairs: they move a student that answers already, and too fast a
step makes both answers unlikely."""

_TEXT = {"prompt": "", "chosen": ".", "rejected": "."}
"""TRL's trainer tokenises the text of its data set; the tokens that are trained are ours, by their numbers."""


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
    examples = Dataset.from_dict(
        {"rows": [[2 * int(pair), 2 * int(pair) + 1] for pair in order]}
        | {name: [text] * len(order) for name, text in _TEXT.items()}
    )
    widest = 2 * rows_at_once(config) * rows.longest
    share = 1 - float(lengths.sum()) / float(2 * lengths.max(axis=1).sum())
    return Schedule(
        rows=rows,
        examples=examples,
        packed=False,
        steps=steps,
        steps_per_pass=steps_per_pass,
        padding_share=share,
        lengths=lengths.sum(axis=1)[order],
        widest=widest,
    )


@dataclass(frozen=True)
class PairBatches:
    """Batches of preference pairs, and the trainer that learns from them (see `prepared.BatchSource`)."""

    rows: TokenRows
    pad_token_id: int
    beta: float

    def trainer(self, **settings: Any) -> "PairTrainer":
        return PairTrainer(beta=self.beta, **settings)

    def collate(self, examples: Sequence[Mapping[str, Any]]) -> Batch:
        """(2B, L) each: all right answers, then the wrong ones in the same order, as TRL's trainer reads them."""
        pairs = [example["rows"] for example in examples]
        numbers = [chosen for chosen, _ in pairs] + [rejected for _, rejected in pairs]
        ids = [torch.from_numpy(self.rows.ids(row)) for row in numbers]
        answers = [
            (torch.arange(len(one)) >= self.rows.n_prompt(row)).long() for one, row in zip(ids, numbers, strict=True)
        ]
        read = sum(map(len, ids))
        return {
            "input_ids": pad_sequence(ids, batch_first=True, padding_value=self.pad_token_id),
            "attention_mask": pad_sequence([torch.ones_like(one) for one in ids], batch_first=True),
            "completion_mask": pad_sequence(answers, batch_first=True),
            "read_tokens": read,
            "trained_tokens": int(sum(int(one.sum()) for one in answers)),
        }


class PairTrainer(Counting, DPOTrainer):
    """TRL's DPO. Its reference model is the student as it was: the student without its adapter, or a copy."""

    objective = None

    def __init__(self, *, beta: float, model: Any, args: Any, optimizer_cls_and_kwargs: Any, **settings: Any) -> None:
        given = {one.name: getattr(args, one.name) for one in dataclasses.fields(DPOConfig) if hasattr(args, one.name)}
        del given["loss_type"]
        options = DPOConfig(**{**given, "beta": beta})
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        optimizer = None
        if optimizer_cls_and_kwargs is not None:
            kind, its = optimizer_cls_and_kwargs
            optimizer = kind(weights, **its)
        reference = None if isinstance(model, PeftModel) else copy.deepcopy(model)
        with _without_bars():
            super().__init__(model=model, ref_model=reference, args=options, optimizers=(optimizer, None), **settings)

    def compute_loss(
        self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        self.read_tokens += inputs["read_tokens"]
        self.trained_tokens += inputs["trained_tokens"]
        read = {name: value for name, value in inputs.items() if name not in COUNTED}
        return super().compute_loss(model, read, return_outputs, num_items_in_batch)

    def in_words(self, logs: Mapping[str, float]) -> str:
        return f"loss {logs['loss']:.3f}  {logs.get('rewards/accuracies', 0.0):.0%} of the pairs in order"


@contextmanager
def _without_bars() -> Iterator[None]:
    """Without the progress bars of `datasets`."""
    before = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not before:
            enable_progress_bars()
