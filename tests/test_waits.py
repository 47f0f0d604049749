"""No step of a training waits for the GPU: nothing in it asks for a number that only the GPU knows.

Counted on a CPU, by what torch is asked to do: to hand a number to Python, or to make a tensor whose size depends on
what stands in another one.
"""

import json
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
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from cotdistill.progress import Silent
from cotdistill.stages import finetune
from cotdistill.training import sft_config
from cotdistill.training.callbacks import Watch
from cotdistill.training.collator import Collator
from cotdistill.training.entries import Entries
from cotdistill.training.schedule import schedule
from cotdistill.training.sft_config import arguments
from cotdistill.training.trainer import Trainer
from tests.test_finetune_rows import uneven_rows
from tests.test_losses import teacher
from tests.test_preference import chain_pairs
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
    """In the steps of a training, in what the optimizer does and in what is logged. A batch is put together on the CPU
    by design."""
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
    monkeypatch.setattr(Watch, "on_step_end", watched(Watch.on_step_end))
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
        ({"loss": "dpo"}, False),
        ({"loss": "dpo", "method": "lora"}, False),
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
    rows = [{**row, "weight": 1.0 + n % 3} for n, row in enumerate(chain_rows(12))]
    file = write(tmp_path / "rows.jsonl", chain_pairs(12) if options.get("loss") == "dpo" else rows)
    more = {"teacher": f"local:{teacher}"} if with_teacher else {}
    config = tiny_config(student=str(base), max_steps=STEPS, batch_size=4, method="full", **more)
    config = type(config)(**{**vars(config), **options})
    found = counted(monkeypatch, lambda: finetune.run(file, tmp_path / "student", config, Silent()))
    assert not found


@pytest.mark.parametrize("kind", ["mistral", "gemma2"])
def test_no_step_of_padded_rows_waits_for_a_look_at_windows(
    kind: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer rows than the window."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    config = AutoConfig.for_model(
        kind, **sizes, vocab_size=len(tokenizer), head_dim=16, intermediate_size=32, sliding_window=16,
        max_position_embeddings=1024, pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "windowed")
    tokenizer.save_pretrained(tmp_path / "windowed")
    rows = write(tmp_path / "rows.jsonl", chain_rows(12))
    config = tiny_config(student=str(tmp_path / "windowed"), max_steps=STEPS, batch_size=4, method="full")
    assert not counted(monkeypatch, lambda: finetune.run(rows, tmp_path / "student", config, Silent()))


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


def test_a_log_entry_is_summed_where_it_is_computed_and_read_when_the_next_one_is_due() -> None:
    entries, counting = Entries(SimpleNamespace(num_processes=1)), Counting()
    with counting:
        for loss in (2.0, 4.0):
            entries.add("loss", torch.tensor(loss))
        entries.close({"step": 2}, steps=2, tokens=10)
        entries.add("loss", torch.tensor(9.0))
    assert not counting.found
    assert entries.read() == {"step": 2, "loss": 3.0, "tokens": 10}
    assert entries.read() is None
    entries.close({"step": 3}, steps=1, tokens=4)
    assert entries.read() == {"step": 3, "loss": 9.0, "tokens": 4}, "of the steps since the last entry alone"


def test_every_entry_has_its_own_step_also_at_the_end_and_before_an_evaluation(base: Path, tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.jsonl", chain_rows(8))
    seen: list[tuple[int, int]] = []

    class Looking(Silent):
        def update(self, done: int, detail: str = "") -> None:
            live = tmp_path / "student.partial/metrics.jsonl"
            seen.append((done, len(live.read_text().splitlines())))

    config = tiny_config(student=str(base), max_steps=6, batch_size=4, method="full", eval_data=str(rows))
    finetune.run(rows, tmp_path / "student", config, Looking())
    lines = [json.loads(line) for line in (tmp_path / "student/metrics.jsonl").read_text().splitlines()]
    found = [(line["step"], "eval_loss" if "eval_loss" in line else "loss") for line in lines]
    assert found == [
        (1, "loss"), (2, "loss"), (2, "eval_loss"), (3, "loss"), (4, "loss"), (4, "eval_loss"), (5, "loss"),
        (6, "loss"), (6, "eval_loss"),
    ]  # fmt: skip
    assert [line["tokens"] for line in lines if "loss" in line] == sorted(
        {line["tokens"] for line in lines if "loss" in line}
    )
    assert seen[1] == (2, 0), "the first entry is not read before the second one is due"
