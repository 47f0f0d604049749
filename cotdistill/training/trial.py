"""What a whole training would take, from a few real steps of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from cotdistill.progress import Silent
from cotdistill.students import memory
from cotdistill.training.need import checkpoint_bytes
from cotdistill.training.prepared import Job
from cotdistill.training.schedule import Schedule
from cotdistill.training.token_rows import TokenRows
from cotdistill.training.train import train


def estimate(job: Job, work: Path) -> dict[str, float]:
    """What the whole run would take, from a few real steps; the first one is on the longest rows, for the memory."""
    free = memory.free_bytes() + memory.held_bytes()
    saved = checkpoint_bytes(job.model, job.config)
    planned = _longest_first(job.schedule, job.config.batch_size or 1)
    with memory.peak_bytes() as peak:
        trained = train(replace(job, schedule=planned, held_out=TokenRows()), work, Silent(), trial=True)
        measured = peak()
    return {
        "estimated_seconds": round(job.schedule.tokens / trained.tokens_per_s, 1),
        "measured_memory_gb": round(measured / 1e9, 2),
        "free_memory_gb": round(free / 1e9, 2),
        "tokens_per_s": round(trained.tokens_per_s),
        "checkpoint_gb": round(saved / 1e9, 2),
    }


def _longest_first(planned: Schedule, count: int) -> Schedule:
    """The `count` longest examples, then those that the run begins with."""
    longest = np.argsort(-planned.lengths, kind="stable")[:count]
    order = np.concatenate([longest, np.arange(len(planned.examples))])
    return replace(planned, examples=planned.examples.select(order), lengths=planned.lengths[order])
