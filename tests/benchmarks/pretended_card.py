"""What a training step would wait for on a GPU, and where it would mix two devices, without a GPU:

    python -m tests.benchmarks.pretended_card [OPTIONS OF finetune…]

The embedded student trains six steps by finetune's own code, on tensors that say they are on a card and compute on the
processor. Each line is a place of ours or of a library where the processor asks for what only the card knows, or sends
something in a way that waits, with how often in all; last, the operations on tensors of two devices, which a card
refuses. Kernels are not tried, nor is any speed. `--loss dpo` trains on pairs; a loss that asks a teacher gets one.
What is copied for a file is left out. It leans on torch's internals, so another torch than 2.13 may need it adapted;
`--patience`, `--on-policy` and `--resume` are not for it.
"""

import contextlib
import importlib
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
import torch.cuda.random
import torch.nn.attention.varlen
from torch.overrides import TorchFunctionMode
from torch.utils._mode_utils import no_dispatch
from torch.utils._pytree import tree_leaves, tree_map
from transformers import PreTrainedModel

STEPS = 6
CARD = torch.device("cuda", 0)
WAITING = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "equal", "_unique2", "unique_consecutive")
MAY_MIX = ("copy_", "_to_copy", "index", "index_put", "index_put_", "set_")

found: Counter[str] = Counter()
mixed: Counter[str] = Counter()


def note(into: Counter[str], what: str) -> None:
    """With the innermost places outside of torch; not for what is written to a file, nor for clipped gradients, which
    torch groups by where they really are."""
    stack = traceback.extract_stack()
    frames = [one for one in stack if "/torch/" not in one.filename and __file__ != one.filename]
    if not any(one.filename.endswith(("safetensors/torch.py", "utils/clip_grad.py")) for one in stack):
        into[f"{what}: " + " < ".join(f"{Path(one.filename).name}:{one.lineno}" for one in frames[:-4:-1])] += 1


class OnCard(torch.Tensor):
    """A tensor of the processor that says otherwise."""

    device = property(lambda self: CARD)
    is_cuda = property(lambda self: True)
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls: Any, plain: torch.Tensor) -> Any:
        return torch.Tensor._make_subclass(cls, plain.detach(), plain.requires_grad)

    def __deepcopy__(self, memo: Any) -> Any:
        made: Any = moved(self, True).requires_grad_(self.requires_grad)
        made._is_param = getattr(self, "_is_param", False)
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs, name = kwargs or {}, function.overloadpacket.__name__
        tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
        elsewhere = [one for one in tensors if not isinstance(one, OnCard) and one.dim() > 0]
        if elsewhere and name not in MAY_MIX:
            note(mixed, name)
        by_mask = name.startswith("index") and any(
            isinstance(one, torch.Tensor) and (one.dtype == torch.bool or not isinstance(one, OnCard))
            for one in tree_leaves(args[1:2])
        )
        if name in WAITING or (by_mask and name in MAY_MIX):
            note(found, name)
        if name == "repeat_interleave" and not kwargs.get("output_size"):
            note(found, name)
        from_card = name == "copy_" and not isinstance(args[0], OnCard)
        with no_dispatch():
            out = function(*args, **kwargs)
        return out if from_card else tree_map(on_card, out)


def on_card(one: Any) -> Any:
    return OnCard(one) if isinstance(one, torch.Tensor) and not isinstance(one, OnCard) else one


def moved(tensor: torch.Tensor, to_card: bool) -> torch.Tensor:
    with no_dispatch():
        plain = tensor.detach().as_subclass(torch.Tensor).clone()
    return OnCard(plain) if to_card else plain


class Move(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, tensor: torch.Tensor, to_card: bool) -> torch.Tensor:
        context.to_card = to_card
        return moved(tensor, to_card)

    @staticmethod
    def backward(context: Any, *given: torch.Tensor) -> Any:
        return moved(given[0], not context.to_card), None


def sent(tensor: torch.Tensor, device: Any, waits: bool, how: str) -> torch.Tensor:
    to_card = torch.device(device).type == "cuda"
    if isinstance(tensor, OnCard) == to_card:
        return tensor
    if waits:
        note(found, f"{how} {'the card' if to_card else 'the processor'}")
    if tensor.requires_grad and torch.is_grad_enabled():
        return Move.apply(tensor, to_card)  # type: ignore[no-untyped-call, no-any-return]
    return moved(tensor, to_card)


class Card(TorchFunctionMode):
    """Sees what is asked of torch in Python: where a tensor is made and where it is sent."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if function is torch.Tensor.backward:  # in which checkpoints compute again
            (loss,) = args
            with Card():
                return torch.autograd.graph._engine_run_backward(
                    (loss,), (torch.ones_like(loss),), False, False, (), allow_unreachable=True, accumulate_grad=True
                )
        if function is torch.Tensor.to:
            tensor, *rest = args
            kwargs.pop("copy", None)
            if rest and isinstance(rest[0], torch.Tensor):
                rest = [rest[0].device, rest[0].dtype]
            device, dtype, without_waiting, _ = torch._C._nn._parse_to(*rest, **kwargs)
            here = tensor if device is None else sent(tensor, device, not without_waiting, "to")
            return here.type(dtype) if dtype is not None else here
        if function is torch.Tensor.cpu:
            return sent(args[0], "cpu", True, "to")
        if function is torch.Tensor.tolist and isinstance(args[0], OnCard):
            return function(sent(args[0], "cpu", True, "a list for"))
        if function is torch.Tensor.numpy and isinstance(args[0], OnCard):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if function is torch.Tensor.data_ptr:
            with no_dispatch():
                return function(*args)
        device = kwargs.get("device")
        if device is not None and torch.device(device).type == "cuda":
            made = function(*args, **{**kwargs, "device": "cpu"})
            if function in (torch.tensor, torch.as_tensor):
                return sent(made, CARD, True, "a new tensor to")
            return on_card(made).requires_grad_(made.requires_grad) if isinstance(made, torch.Tensor) else made
        made = function(*args, **kwargs)
        return moved(made, False) if device is not None and isinstance(made, OnCard) else made


def varlen(
    query: Any, key: Any, value: Any, ends: Any, its: Any, longest: int, most: int, *, scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1), enable_gqa: bool = False,
) -> Any:  # fmt: skip
    """In place of `varlen_attn`, and as strict."""
    assert query.dtype == key.dtype == value.dtype in (torch.bfloat16, torch.float16) and ends.dtype == torch.int32
    assert isinstance(ends, OnCard) and query.shape[-1] % 8 == 0
    with no_dispatch():
        places = ends.as_subclass(torch.Tensor).tolist()
    parts = []
    for start, end in pairwise(places):
        q, k, v = (one[start:end].transpose(0, 1)[None] for one in (query, key, value))
        apart = torch.arange(end - start, device=CARD)
        apart = apart[:, None] - apart
        mask = (apart >= 0) & (apart <= window_size[0]) if window_size[0] >= 0 else apart >= 0
        seen = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, scale=scale, enable_gqa=enable_gqa
        )
        parts.append(seen[0].transpose(0, 1))
    return torch.cat(parts)


@contextlib.contextmanager
def pretended() -> Iterator[None]:
    autocast, to = torch.autocast.__init__, torch.nn.Module.to

    def on_processor(self: Any, device_type: str, *given: Any, **more: Any) -> None:
        autocast(self, "cpu" if device_type == "cuda" else device_type, *given, **more)

    def to_card(self: Any, *given: Any, **more: Any) -> Any:
        if all(isinstance(one, OnCard) for one in self.parameters()):
            return to(self, *given, **more)
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        try:
            to(self, *given, **more)
        finally:
            torch.__future__.set_overwrite_module_params_on_conversion(False)
        if isinstance(self, PreTrainedModel):
            self.tie_weights()
        return self

    answers: dict[str, Any] = {
        "is_available": True, "is_bf16_supported": True, "is_initialized": True, "device_count": 1,
        "current_device": 0, "mem_get_info": (8 << 30, 16 << 30), "memory_allocated": 0, "max_memory_allocated": 0,
        "get_device_capability": (9, 0), "get_device_name": "pretended", "set_device": None, "empty_cache": None,
        "reset_peak_memory_stats": None, "synchronize": None, "_is_in_bad_fork": False, "manual_seed_all": None,
        "get_rng_state": torch.get_rng_state(), "set_rng_state": None, "manual_seed": None,
        "Event": SimpleNamespace(record=lambda: None, synchronize=lambda: None),
    }  # fmt: skip
    with contextlib.ExitStack() as patched:
        for name, answer in answers.items():
            for module in (torch.cuda, torch.cuda.random):
                if hasattr(module, name):
                    patched.enter_context(mock.patch.object(module, name, lambda *_, answer=answer, **__: answer))
        patched.enter_context(mock.patch.object(torch.autocast, "__init__", on_processor))
        patched.enter_context(mock.patch.object(torch.nn.Module, "to", to_card))
        patched.enter_context(mock.patch.object(torch.nn.attention.varlen, "varlen_attn", varlen))
        patched.enter_context(Card())
        yield


def main(words: list[str]) -> None:
    importlib.import_module("torch._dynamo")  # it looks for a card while it is imported

    from cotdistill.config import FinetuneConfig
    from cotdistill.progress import Silent
    from cotdistill.stages import finetune
    from tests.test_preference import chain_pairs
    from tests.training_runs import chain_rows, save_tiny, write

    given: dict[str, Any] = {
        name.removeprefix("--").replace("-", "_"): int(value) if value.isdecimal() else value
        for name, value in zip(words[::2], words[1::2], strict=True)
    }
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        pairs = str(given.get("loss", "")).startswith("dpo")
        rows = write(folder / "rows.jsonl", chain_pairs(24) if pairs else chain_rows(40))
        if str(given.get("loss")).partition(":")[0] in ("soft", "hidden", "attention"):
            given["teacher"] = f"local:{save_tiny(folder / 'teacher')}"
        usual = {"student": str(save_tiny(folder / "base")), "max_steps": STEPS, "batch_size": 4, "method": "full"}
        config = FinetuneConfig(**{**usual, "threads": 1, "show_rows": 0, **given})
        with pretended():
            made = finetune.run(rows, folder / "student", config, Silent())
    print({name: made.results[name] for name in ("loss", "precision", "packed") if name in made.results})
    for title, lines in ((f"waits in {STEPS} steps, and before and after them", found), ("mixed", mixed)):
        print(f"{title}: {'' if lines else 'none'}")
        for line, count in lines.most_common():
            print(f"{count:5} {line}")


if __name__ == "__main__":
    main(sys.argv[1:])
