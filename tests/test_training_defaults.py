"""What finetune chooses where nothing is said, and in which number format it trains."""

import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest

pytest.importorskip("trl", reason="the train extra is not installed")

import torch
from transformers import LlamaConfig, LlamaForCausalLM, TrainingArguments

from cotdistill.chat.template import Rendered
from cotdistill.config import FinetuneConfig
from cotdistill.progress import Silent
from cotdistill.stages import finetune
from cotdistill.students import load
from cotdistill.training import callbacks, checkpoints, fused, need, precision
from cotdistill.training.collator import Collator
from cotdistill.training.defaults import choose
from cotdistill.training.loss import token_losses
from cotdistill.training.schedule import schedule
from cotdistill.training.sft_config import arguments
from cotdistill.training.token_rows import TokenRows
from tests.conftest import Notes
from tests.training_runs import chain_rows, losses, tiny_config, write


@pytest.mark.parametrize(("rows", "batch_size", "epochs"), [(40, 8, 10), (800, 16, 6), (2_000, 32, 5), (50_000, 32, 3)])
def test_few_rows_make_small_batches_that_are_read_more_often(rows: int, batch_size: int, epochs: float) -> None:
    chosen, choices = choose(FinetuneConfig(student="smollm2-135m"), rows, 576)
    assert (chosen.batch_size, chosen.epochs) == (batch_size, epochs)
    assert [choice.option for choice in choices] == ["batch_size", "epochs", "learning_rate"]


@pytest.mark.parametrize(
    ("method", "width", "rate"),
    [
        ("lora", 576, 1.3e-3),
        ("lora", 4_096, 2.9e-4),
        ("full", 576, 3e-4),
        ("full", 4_096, 2e-5),
        ("qlora", 4_096, 2.9e-4),
    ],
)
def test_the_learning_rate_falls_with_the_width_and_is_higher_for_lora(
    method: Literal["lora", "full"], width: int, rate: float
) -> None:
    chosen, _ = choose(FinetuneConfig(student="smollm2-135m", method=method), 1_000, width)
    assert chosen.learning_rate == pytest.approx(rate, rel=0.03)


def test_what_a_person_gave_is_never_chosen_anew() -> None:
    given = FinetuneConfig(student="tiny", batch_size=3, epochs=0.5, learning_rate=1e-5)
    assert choose(given, 10, 64) == (given, [])


def test_steps_that_were_given_leave_nothing_to_say_of_passes() -> None:
    _, choices = choose(FinetuneConfig(student="tiny", batch_size=8, max_steps=20), 100, 64)
    assert [choice.option for choice in choices] == ["learning_rate"]


@pytest.mark.parametrize(
    ("rows", "reasons"),
    [
        (1, ["the smallest of 32, 16 and 8, for few rows; a pass over 1 row is then 1 step", "2 steps in all; few"]),
        (
            399,
            ["the smallest of 32, 16 and 8, for few rows; a pass", "350 steps in all; rows are read until"],
        ),
        (800, ["the largest of 32, 16 and 8 with 50 steps a pass; a pass over 800 rows is then 50 steps", "300 steps"]),
        (100_000, ["the largest of 32, 16 and 8 with 50", "9,375 steps in all; many rows are read 3 times"]),
    ],
)
def test_each_default_has_the_reason_that_decided_it(rows: int, reasons: list[str]) -> None:
    _, choices = choose(FinetuneConfig(student="smollm2-135m"), rows, 576)
    expected = [*reasons, "LoRA at width 576; wider students learn at a lower one"]
    assert all(choice.reason.startswith(reason) for choice, reason in zip(choices, expected, strict=True)), choices


def test_a_dry_run_says_the_reason_of_each_choice(tmp_path: Path) -> None:
    progress = Notes()
    rows = write(tmp_path / "train.jsonl", chain_rows(8))
    finetune.run(rows, tmp_path / "student", FinetuneConfig(student="tiny", dry_run=True, show_rows=0), progress)
    assert progress.notes[:3] == [
        "batch_size 8: the smallest of 32, 16 and 8, for few rows; a pass over 8 rows is then 1 step",
        "epochs 60: 60 steps in all; few rows are read 60 times and no more",
        "learning_rate 0.003: a student of 0.1 M random weights",
    ]
    assert progress.notes[3:6] == [
        "method full: the weights of tiny are random, so all of them are trained, whatever --method says",
        "precision float32: tiny has no weights to save memory on",
        "packing none: on a CPU, batches of rows of like length are as fast",
    ]
    assert progress.notes[6].startswith(
        "checkpointing off: with all activations kept a step needs about 0.0 GB more, and "
    )


def test_a_gpu_without_a_compiler_has_neither_fused_layers_nor_an_update_in_triton(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Triton would end the first step: it finds no C compiler."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("COTDISTILL_LIGER", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    for compiler in ("gcc", None):
        monkeypatch.setattr(shutil, "which", lambda name, there=compiler: there if name == there else None)
        found = precision.optimizer(tiny_config(precision="bfloat16", learning_rate=1e-4))
        assert found is not None
        kind, options = found
        made = kind([torch.nn.Parameter(torch.zeros(2, dtype=torch.bfloat16))], **options)
        assert made.param_groups[0]["triton"] is (None if compiler else False)
        assert fused.is_usable() == bool(compiler)


def test_weights_in_bfloat16_learn_small_steps_that_plain_rounding_would_lose() -> None:
    config = tiny_config(precision="bfloat16", learning_rate=1e-4)
    found = precision.optimizer(config)
    assert found is not None
    kind, options = found
    weight = torch.nn.Parameter(torch.ones(1000, dtype=torch.bfloat16))
    optimizer = kind([weight], **{**options, "weight_decay": 0.0})
    for _ in range(100):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    assert float(weight.detach().float().mean()) == pytest.approx(
        1 - 100 * 1e-4, abs=4e-3
    )  # one step is a 40th of what 1.0 can show
    assert torch.ones(1, dtype=torch.bfloat16) - 1e-4 == 1


def test_training_in_bfloat16_follows_training_in_32_bits(tmp_path: Path) -> None:
    rows = write(tmp_path / "train.jsonl", chain_rows(32))
    for name in ("float32", "bfloat16"):
        manifest = finetune.run(rows, tmp_path / name, tiny_config(max_steps=40, precision=name), Silent())
        assert manifest.results["precision"] == name
    last = {name: losses(tmp_path / name)[-1][1] for name in ("float32", "bfloat16")}
    assert last["bfloat16"] == pytest.approx(last["float32"], rel=0.1)


def test_a_run_shorter_than_the_checkpoints_interval_writes_one_at_its_end_alone(tmp_path: Path) -> None:
    saved: list[int] = []

    class Looking(Silent):
        def update(self, done: int, detail: str = "") -> None:
            saved.append(len(list((tmp_path / "student.partial/checkpoints").glob("checkpoint-*"))))

    rows = write(tmp_path / "train.jsonl", chain_rows(16))
    finetune.run(rows, tmp_path / "student", tiny_config(max_steps=20), Looking())
    assert saved == [0] * 20  # looked at before the last step's checkpoint
    assert not (tmp_path / "student/checkpoints").exists()


def test_checkpoints_and_held_out_rows_are_no_part_of_the_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(checkpoints, "finish", lambda path: None)
    reader: Any = SimpleNamespace(
        read_tokens=0, count_on_from=lambda state: None, accelerator=SimpleNamespace(num_processes=1), args=None,
        close_entry=lambda learning_rate: None, read_entry=lambda: None,
    )  # fmt: skip
    reader.args = SimpleNamespace(world_size=1, output_dir=str(tmp_path))
    watch = callbacks.Watch(Silent(), tmp_path / "metrics.jsonl", reader, checkpoint_s=0)
    state: Any = SimpleNamespace(
        global_step=0, max_steps=8, logging_steps=1, is_world_process_zero=True, log_history=[]
    )
    control = SimpleNamespace(should_save=False, should_evaluate=True, should_training_stop=False)
    given: Any = (reader.args, state, control)
    watch.on_train_begin(*given)
    for step in range(1, 9):
        now[0] += 30.0 if step == 1 else 1.0  # kernels are compiled in the first one
        reader.read_tokens, state.global_step = 10 * step, step
        watch.on_step_end(*given)
        now[0] += 50.0
        watch.on_evaluate(*given)
        now[0] += 100.0
        watch.on_save(*given)
    assert watch.tokens_per_s() == pytest.approx(10.0)
    watch.on_train_end(*given)
    assert watch.warm_up_s == pytest.approx(29.0)


def test_a_dry_run_says_how_large_a_checkpoint_is(tmp_path: Path) -> None:
    rows = write(tmp_path / "train.jsonl", chain_rows(8))
    manifest = finetune.run(rows, tmp_path / "student", tiny_config(dry_run=True), Silent())
    assert manifest.results["checkpoint_gb"] == 0.0  # 0.1 M weights, 12 bytes each


def test_a_run_says_beforehand_how_large_its_checkpoints_will_be(tmp_path: Path) -> None:
    assert not need.said_of_checkpoints(load.student("tiny")[0], tiny_config(), tmp_path), "nothing to plan for"
    shape = LlamaConfig(vocab_size=20_000, hidden_size=64, intermediate_size=64, num_hidden_layers=2)
    model = LlamaForCausalLM(shape)
    config = FinetuneConfig(student="random", method="full", checkpoint_minutes=5)
    weights = sum(one.numel() for one in model.parameters())
    said = need.said_of_checkpoints(model, config, tmp_path)
    assert said.startswith(f"checkpoints, every 5 minutes and at the end: {12 * weights / 1e9:.2f} GB each, two are")
    half = FinetuneConfig(student="random", method="full", precision="bfloat16")
    assert need.checkpoint_bytes(model, half) == 8 * weights


def test_a_dry_run_takes_the_widest_step_once_the_optimizer_has_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths: list[int] = []
    read = Collator._padded

    def looking(self: Collator, ids: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
        batch = read(self, ids)
        widths.append(batch["input_ids"].numel())
        return batch

    monkeypatch.setattr(Collator, "_padded", looking)
    long = {"role": "assistant", "reasoning_content": "a=1 " * 60, "content": "7"}
    made = [*chain_rows(15), {**chain_rows(1)[0], "id": "long/0", "completion": [long]}]
    rows = write(tmp_path / "train.jsonl", made)
    finetune.run(rows, tmp_path / "student", tiny_config(batch_size=2, dry_run=True), Silent())
    assert widths[1] == max(widths) > 2 * widths[0], "the first step has less in memory: no moments yet"


def test_scores_reach_the_loss_in_16_bits_where_weights_of_32_are_multiplied_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    seen: list[torch.dtype] = []

    def looking(logits: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        seen.append(logits.dtype)
        return token_losses(logits, *others)

    monkeypatch.setattr("cotdistill.training.trainer.token_losses", looking)
    model, tokenizer = load.student("tiny")
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    rows = write(tmp_path / "train.jsonl", chain_rows(4))
    config = tiny_config(student=str(tmp_path / "base"), precision="float32", max_steps=2, batch_size=2)
    finetune.run(rows, tmp_path / "student", config, Silent())
    assert seen == [torch.bfloat16] * 2, "32 bits a score are computed with a part at a time, and never kept"


def test_a_process_that_sees_several_gpus_trains_on_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def four(self: TrainingArguments) -> torch.device:
        self._n_gpu = 4
        return torch.device("cpu")

    monkeypatch.setattr(TrainingArguments, "_setup_devices", property(four))
    rows = TokenRows()
    rows.add(Rendered([3, 4, 5], 1, "native"))
    settings = arguments(tiny_config(), schedule(rows, tiny_config(), packed=False), tmp_path)
    assert settings.n_gpu == 1, "transformers would cut a batch's numbers and row ends up among the GPUs"
