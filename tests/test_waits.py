"""No step of a training waits for the GPU: nothing in it asks for a number that only the GPU knows.

Counted on a CPU, by what torch is asked to do: to hand a number to Python, or to make a tensor whose size depends on
what stands in another one.
"""

import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("trl", reason="the train extra is not installed")

import torch
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from cotdistill.progress import Silent
from cotdistill.stages import finetune
from cotdistill.training import sft_config
from cotdistill.training.collator import Collator
from cotdistill.training.schedule import schedule
from cotdistill.training.sft_config import arguments
from cotdistill.training.trainer import Trainer
from tests.test_finetune_rows import uneven_rows
from tests.test_losses import teacher
from tests.training_runs import chain_rows, save_tiny, tiny_config, write

__all__ = ["teacher"]

STEPS = 3
WAITING = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "equal", "_unique2", "unique_consecutive")


class Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What a GPU would be waited for, by the lines that asked."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        by_mask = name in ("index", "index_put", "index_put_") and any(
            isinstance(one, torch.Tensor) and one.dtype == torch.bool for one in args[1]
        )
        repeats = name == "repeat_interleave" and not (kwargs or {}).get("output_size")
        if name in WAITING or by_mask or repeats:
            asked = [f"{Path(one.filename).name}:{one.lineno}" for one in traceback.extract_stack()[-12:-1]]
            if not any(one.startswith("dataloader.py") for one in asked):  # its seed, on the CPU, once a pass
                self.found[f"{name} {' '.join(asked)}"] += 1
        return function(*args, **(kwargs or {}))


def counted(monkeypatch: pytest.MonkeyPatch, run: Callable[[], object]) -> Counter[str]:
    """In the steps of a training and in what the optimizer does, but for two places: a batch is put together on the CPU
    by design, and a log entry is a number."""
    counting = Counting()
    step, update, logged = Trainer.training_step, torch.optim.AdamW.step, Trainer._maybe_log_save_evaluate

    def watched(do: Callable[..., Any]) -> Callable[..., Any]:
        def doing(*given: Any, **more: Any) -> Any:
            with counting:
                return do(*given, **more)

        return doing

    monkeypatch.setattr(Trainer, "training_step", watched(step))
    monkeypatch.setattr(Trainer, "_clip_grad_norm", watched(Trainer._clip_grad_norm))
    monkeypatch.setattr(Trainer, "get_batch_samples", watched(Trainer.get_batch_samples))
    monkeypatch.setattr(torch.optim.AdamW, "step", watched(update))
    called: list[int] = []

    def logging(self: Trainer, *given: Any, **more: Any) -> None:
        called.append(self.state.global_step)
        with _disable_current_modes():
            logged(self, *given, **more)

    collate = Collator.__call__

    def collating(self: Collator, *given: Any) -> Any:
        with _disable_current_modes():
            return collate(self, *given)

    monkeypatch.setattr(Trainer, "_maybe_log_save_evaluate", logging)
    monkeypatch.setattr(Collator, "__call__", collating)
    run()
    assert len(called) >= STEPS, "the steps were counted"
    return counting.found


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("base") / "student")


@pytest.mark.parametrize(
    ("options", "with_teacher"),
    [
        ({"rows_at_once": 2}, False),
        ({"packing": "bfd", "checkpointing": "on", "method": "lora"}, False),
        ({"loss": "soft"}, True),
        ({"loss": "hidden", "packing": "bfd"}, True),
        ({"loss": "attention"}, True),
    ],
)
def test_no_step_waits(
    options: dict[str, Any],
    with_teacher: bool,
    base: Path,
    teacher: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = write(tmp_path / "rows.jsonl", [{**row, "weight": 1.0 + n % 3} for n, row in enumerate(chain_rows(12))])
    more = {"teacher": f"local:{teacher}"} if with_teacher else {}
    config = tiny_config(student=str(base), max_steps=STEPS, batch_size=4, method="full", **more)
    config = type(config)(**{**vars(config), **options})
    found = counted(monkeypatch, lambda: finetune.run(rows, tmp_path / "student", config, Silent()))
    assert not found


def test_a_wait_would_be_seen(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compute = Trainer.compute_loss

    def waiting(self: Trainer, *given: Any, **more: Any) -> torch.Tensor:
        loss = compute(self, *given, **more)
        assert float(loss.detach()) > 0
        return loss

    monkeypatch.setattr(Trainer, "compute_loss", waiting)
    rows = write(tmp_path / "rows.jsonl", chain_rows(12))
    config = tiny_config(max_steps=STEPS, batch_size=4)
    found = counted(monkeypatch, lambda: finetune.run(rows, tmp_path / "student", config, Silent()))
    assert sum(found.values()) == STEPS and "_local_scalar_dense" in next(iter(found))


def test_a_batch_reaches_a_gpu_while_it_still_computes_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: True))
    monkeypatch.setattr(sft_config, "torch", there)
    rows, config = uneven_rows((1.0,)), tiny_config(max_steps=STEPS)
    settings = arguments(config, schedule(rows, config, packed=False), tmp_path)
    assert settings.dataloader_pin_memory and settings.accelerator_config.non_blocking
