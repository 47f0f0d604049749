"""Which rows are trained in which order, and in how many steps."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cotdistill.config import FinetuneConfig
from cotdistill.errors import UsageError
from cotdistill.training import distributed, packing
from cotdistill.training.token_rows import Numbers, TokenRows, examples


@dataclass(frozen=True)
class Schedule:
    """The examples of a run in their order, and its number of steps."""

    rows: TokenRows
    examples: Any
    """A data set of row numbers: an example is one row, a pair of rows, or a pack of rows."""
    packed: bool
    steps: int
    steps_per_pass: int
    padding_share: float
    """Padding's share of all tokens, from 0 to 1."""
    lengths: Numbers
    """(examples,) tokens of each example, prompt and completion, without padding."""
    widest: int
    """The most tokens, padding included, that are in memory at once."""

    @property
    def tokens(self) -> int:
        """Tokens of all steps together, without padding."""
        return int(self.lengths.sum())


def schedule(rows: TokenRows, config: FinetuneConfig, *, packed: bool) -> Schedule:
    """Raises UsageError when a step cannot be shared out among the processes, or parts, that it was asked in."""
    return _of_packs(rows, config) if packed else _of_rows(rows, config)


def _of_rows(rows: TokenRows, config: FinetuneConfig) -> Schedule:
    """An example is a row; rows of like length share a batch."""
    at_once, batch_size, epochs = rows_at_once(config), config.batch_size or 1, config.epochs or 1.0
    steps_per_pass = math.ceil(len(rows) / batch_size)
    steps = config.max_steps or math.ceil(epochs * len(rows) / batch_size)
    total = steps * batch_size if config.max_steps else math.ceil(epochs * len(rows))
    order = rows.order(total, batch_size, config.seed, shuffled=config.order == "shuffled")
    return Schedule(
        rows=rows,
        examples=examples(order[:, None]),
        packed=False,
        steps=steps,
        steps_per_pass=steps_per_pass,
        padding_share=rows.padding_share(order, at_once),
        lengths=rows.lengths()[order],
        widest=at_once * rows.longest,
    )


def _of_packs(rows: TokenRows, config: FinetuneConfig) -> Schedule:
    """An example is a pack: rows one after the other in one sequence, without padding."""
    at_once, batch_size, epochs = rows_at_once(config), config.batch_size or 1, config.epochs or 1.0
    packs = packing.packs_of(rows, at_once)
    per_step = batch_size // at_once
    steps = config.max_steps or math.ceil(epochs * len(packs) / per_step)
    random = np.random.default_rng(config.seed)
    passes = math.ceil(steps * per_step / len(packs))
    order = np.concatenate([random.permutation(len(packs)) for _ in range(passes)])[: steps * per_step]
    lengths = rows.lengths()
    sizes = np.array([lengths[pack].sum() for pack in packs])
    return Schedule(
        rows=rows,
        examples=examples(packs).select(order),
        packed=True,
        steps=steps,
        steps_per_pass=math.ceil(len(packs) / per_step),
        padding_share=0.0,
        lengths=sizes[order],
        widest=int(sizes.max()),
    )


def rows_at_once(config: FinetuneConfig) -> int:
    """Rows that one process has in memory at once. Raises UsageError when a step cannot be shared out evenly."""
    processes, batch_size = distributed.count(), config.batch_size or 1
    here, rest = divmod(batch_size, processes)
    if rest:
        raise UsageError(f"--batch-size {batch_size}: expected a multiple of the {processes} processes")
    at_once = config.rows_at_once or here
    if here % at_once:
        raise UsageError(f"--rows-at-once {at_once}: expected a divisor of the {here} rows that a step has here")
    return at_once
