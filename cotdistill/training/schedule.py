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
    """What is trained in which order. `examples` are row numbers, of one row or of a pack of rows each."""

    rows: TokenRows
    examples: Any
    packed: bool
    steps: int
    steps_per_pass: int
    padding_share: float
    lengths: Numbers
    """(examples,) tokens of each, read ones included, padding not."""
    widest: int
    """The most tokens, padding included, that are in memory at once."""

    @property
    def tokens(self) -> int:
        """Of all steps together."""
        return int(self.lengths.sum())


def schedule(rows: TokenRows, config: FinetuneConfig, *, packed: bool) -> Schedule:
    """Raises UsageError when a step cannot be shared out among the processes, or parts, that it was asked in."""
    at_once, batch_size, epochs = rows_at_once(config), config.batch_size or 1, config.epochs or 1.0
    if not packed:
        steps_per_pass = math.ceil(len(rows) / batch_size)
        steps = config.max_steps or math.ceil(epochs * len(rows) / batch_size)
        total = steps * batch_size if config.max_steps else math.ceil(epochs * len(rows))
        order = rows.order(total, batch_size, config.seed, shuffled=config.order == "shuffled")
        share, lengths = rows.padding_share(order, at_once), rows.lengths()[order]
        data = examples(order[:, None])
        return Schedule(rows, data, False, steps, steps_per_pass, share, lengths, at_once * rows.longest)
    packs = packing.packs_of(rows, at_once)
    per_step = batch_size // at_once
    steps_per_pass = math.ceil(len(packs) / per_step)
    steps = config.max_steps or math.ceil(epochs * len(packs) / per_step)
    random = np.random.default_rng(config.seed)
    passes = -(-steps * per_step // len(packs))
    order = np.concatenate([random.permutation(len(packs)) for _ in range(passes)])[: steps * per_step]
    lengths = rows.lengths()
    sizes = np.array([lengths[pack].sum() for pack in packs])
    data = examples(packs).select(order)
    return Schedule(rows, data, True, steps, steps_per_pass, 0.0, sizes[order], int(sizes.max()))


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
