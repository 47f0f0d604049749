"""A trained model -> a directory that plain transformers, and every tool that reads its files, can load."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from cotdistill import students
from cotdistill.students import load

READABLE = 0o644
"""The mode of the files: safetensors writes them for the owner alone."""


def save(model: Any, tokenizer: Any, directory: Path, *, student: str, stored: Any, end_tokens: Iterable[int]) -> None:
    """Write weights, tokenizer with chat template, and a generation config that stops where training stopped.

    An adapter is kept in `adapter/`, and merged: few servers load adapters, and none can do so without the base.
    `stored` is the dtype that the student's weights came in.
    """
    if load.is_adapted(model):
        # A hub id where there is one: a path of this machine leads nowhere on another.
        model.peft_config["default"].base_model_name_or_path = students.public_name(student)
        model.save_pretrained(directory / "adapter")
        (directory / "adapter" / "README.md").unlink(missing_ok=True)  # peft's empty form
        if getattr(model, "is_loaded_in_4bit", False):  # merged into the weights as they were before
            model = PeftModel.from_pretrained(load.model(student, tokenizer), str(directory / "adapter"))
        model = model.to(torch.float32).merge_and_unload()
    model = model.to(stored)
    _stop_at(model, tokenizer, end_tokens)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    for file in directory.rglob("*"):
        if file.is_file():
            file.chmod(READABLE)


def dtype_of(model: Any, student: str) -> torch.dtype:
    """The number format in which a student is saved: that of the weights it came with. A GGUF file is read into 32 bits
    whatever it holds, so bfloat16 is taken for it, in which most models are published: half the size, and nothing is
    lost."""
    if students.resolve(student).kind == "gguf":
        return torch.bfloat16
    kept: torch.dtype = model.dtype
    return kept


def _stop_at(model: Any, tokenizer: Any, end_tokens: Iterable[int]) -> None:
    settings = model.generation_config
    if settings.temperature not in (None, 1.0) or settings.top_p not in (None, 1.0):
        settings.do_sample = True  # some models ship these switched off, which transformers refuses to save
    known = settings.eos_token_id
    known = [] if known is None else known if isinstance(known, list) else [known]
    stops = sorted({*known, *end_tokens, tokenizer.eos_token_id} - {None})
    settings.eos_token_id = stops if len(stops) > 1 else stops[0]
    settings.pad_token_id = tokenizer.pad_token_id
    model.config.use_cache = True  # the trainer turns it off
