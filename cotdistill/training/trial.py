"""What a whole training would take, from a few real steps of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from cotdistill.config import FinetuneConfig
from cotdistill.progress import Silent
from cotdistill.students import memory
from cotdistill.training.need import checkpoint_bytes
from cotdistill.training.prepared import Job
from cotdistill.training.schedule import Schedule, rows_at_once
from cotdistill.training.token_rows import TokenRows
from cotdistill.training.train import train, warm_up

STEPS = 6
"""The first ones, in which memory is first asked for and kernels are compiled, are not timed."""


def estimate(job: Job, work: Path) -> dict[str, float]:
    """What the whole run would take, from a few real steps; one of them is the widest, for the memory."""
    free = memory.free_bytes() + memory.held_bytes()
    saved = checkpoint_bytes(job.model, job.config)
    planned = _with_widest(job.schedule, job.config)
    with memory.peak_bytes() as peak:
        trained = train(replace(job, schedule=planned, held_out=TokenRows()), work, Silent(), trial=STEPS)
        measured = peak()
    return {
        "estimated_seconds": round(job.schedule.tokens / trained.tokens_per_s + trained.warm_up_s, 1),
        **warm_up(trained),
        "measured_memory_gb": round(measured / 1e9, 2),
        "free_memory_gb": round(free / 1e9, 2),
        "tokens_per_s": round(trained.tokens_per_s),
        "checkpoint_gb": round(saved / 1e9, 2),
    }


def _with_widest(planned: Schedule, config: FinetuneConfig) -> Schedule:
    """The run's own first step, then its widest one, then as it goes on. In the first step the optimizer has no state
    yet, so less memory is held than in any later one: the widest is that of those."""
    batch_size, part = config.batch_size or 1, 1 if planned.packed else rows_at_once(config)
    a_step = batch_size // rows_at_once(config) if planned.packed else batch_size
    if planned.steps == 1:
        return planned
    later = planned.lengths[a_step:]
    starts = np.arange(0, len(later), part)
    padded = np.maximum.reduceat(later, starts) * np.diff(np.append(starts, len(later)))
    tokens = np.add.reduceat(later, starts)
    first = a_step + int(np.lexsort((tokens, padded))[-1]) * part // a_step * a_step
    every = np.arange(len(planned.lengths))
    order = np.concatenate([every[:a_step], every[first : first + a_step], every[a_step:]])
    return replace(planned, examples=planned.examples.select(order), lengths=planned.lengths[order])
