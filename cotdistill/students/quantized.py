"""A student's weights in 4 bits, for QLoRA on one GPU (Dettmers et al. 2023, https://arxiv.org/abs/2305.14314)."""

import importlib.util
from typing import Any

import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from cotdistill import students
from cotdistill.errors import UsageError


def check() -> None:
    """Raises UsageError where 4-bit weights cannot be trained on."""
    missing = [] if torch.cuda.is_available() else ["a CUDA GPU"]
    missing += [] if importlib.util.find_spec("bitsandbytes") else ["the bitsandbytes package"]
    if missing:
        raise UsageError(f"--method qlora: needs {' and '.join(missing)}, not found here; take --method lora")


def load(student: str) -> Any:
    """The student's weights as 4-bit normal floats, computed with in bfloat16. Raises UsageError for a student that is
    not in safetensors."""
    found = students.resolve(student)
    if found.kind not in ("hub", "directory"):
        raise UsageError(f"--method qlora: expected a hub id or a model directory, got {student}; take --method lora")
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return AutoModelForCausalLM.from_pretrained(
        found.source, quantization_config=config, dtype=torch.bfloat16, device_map={"": 0}
    )
