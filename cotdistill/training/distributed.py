"""Several processes that train one student together, as `accelerate launch` starts them. The first one reads, writes
and speaks; the others only compute."""

import os

import torch
from accelerate import PartialState


def count() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    return int(os.environ.get("RANK", "0")) == 0


def wait_for_all() -> None:
    """Return once every process is here; at once where there is one process."""
    if count() == 1:
        return
    PartialState(cpu=not torch.cuda.is_available()).wait_for_everyone()


def leave() -> None:
    """Take leave of the other processes: a group that is left open keeps each of them from ending."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
