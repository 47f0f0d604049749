"""A teacher on this machine that reads the rows beside the student."""

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from cotdistill.errors import UsageError, said_of
from cotdistill.students import load, resolve, vocabulary
from cotdistill.students.device import has_bfloat16
from cotdistill.students.memory import memory_explained
from cotdistill.training import distributed

PREFIX = "local:"


def load_teacher(spec: str, student: PreTrainedTokenizerBase, longest: int) -> PreTrainedModel:
    """The frozen model that `local:NAME` names, on the device that trains. `longest` is the number of tokens of the
    longest row.

    Raises UsageError where it has another vocabulary than the student or cannot read the rows, CotDistillError where it
    cannot be loaded.
    """
    name = spec.removeprefix(PREFIX)
    with said_of(f"--teacher {spec}"):
        if resolve(name).kind == "tiny":
            raise UsageError("has random weights; name the directory of a trained model")
        with memory_explained("teacher"):
            teacher, tokenizer = load.student(name)
    with memory_explained("teacher"):
        vocabulary.check_same(student, tokenizer, spec, "--teacher")
        context = getattr(teacher.config.get_text_config(), "max_position_embeddings", longest)
        if longest > context:
            raise UsageError(
                f"--teacher {spec}: reads {context:,} tokens, and the longest row has {longest:,}; give --max-length "
                f"{context}"
            )
        if teacher.dtype != torch.float32 and not has_bfloat16():
            teacher.to(torch.float32)  # emulated half precision is slower than none
        teacher.to(device()).eval().requires_grad_(False)
    return teacher


def device() -> torch.device:
    """The device that this process trains on."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", distributed.local_rank())
