"""`finetune --quant-aware`: the numbers that are trained with are those of the file that export writes."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("trl", reason="the train extra is not installed")

import gguf
import torch
from safetensors.torch import load_file

from cotdistill.artifacts import read_manifest
from cotdistill.config import ExportConfig, FinetuneConfig, check
from cotdistill.errors import UsageError
from cotdistill.progress import Silent
from cotdistill.stages import export, finetune
from cotdistill.students.gguf_types import TYPES, rounded
from tests.training_runs import Pulled, chain_rows, losses, tiny_config, write


@pytest.mark.parametrize("name", ["f16", "q8_0", "q4_0"])
def test_rounded_numbers_are_those_that_the_gguf_package_writes_and_reads_bit_by_bit(name: str) -> None:
    lots = np.random.default_rng(0)
    numbers = lots.standard_normal((64, 96)).astype(np.float32) * lots.choice([1e-6, 0.02, 1, 300], (64, 1))
    numbers = numbers.astype(np.float32)
    numbers[0] = 0
    numbers[1, :32] = np.tile([0.5, -0.5], 16)  # the largest by size twice, with both signs
    numbers[2, :32] = np.arange(32) / 31 * 127 + 0.5  # halves
    numbers[3, :32] = -np.arange(32)
    kind = TYPES[name]
    file = gguf.quants.dequantize(gguf.quants.quantize(numbers, kind), kind)
    assert np.array_equal(rounded(torch.from_numpy(numbers), kind).numpy(), file)
    again = rounded(torch.from_numpy(file), kind).numpy()
    assert np.array_equal(again, file), "what is on the grid stays there"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["q4_0", "q8_0"])
def test_the_file_holds_the_student_s_own_numbers_and_a_pulled_plug_changes_nothing(kind: Any, tmp_path: Path) -> None:
    rows = write(tmp_path / "train.jsonl", chain_rows(16))
    config = tiny_config(max_steps=10, quant_aware=kind, quant_aware_share=0.5, checkpoint_minutes=0)
    manifest = finetune.run(rows, tmp_path / "student", config, Silent())
    assert manifest.results["quant_aware"] == kind
    with pytest.raises(ConnectionResetError):
        finetune.run(rows, tmp_path / "other", config, Pulled(at=7))
    finetune.run(rows, tmp_path / "other", dataclasses.replace(config, resume=True), Silent())
    assert losses(tmp_path / "other") == losses(tmp_path / "student")
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("student", "other"))
    assert all(torch.equal(one[name], other[name]) for name in other)
    options = ExportConfig(quantize=kind, max_output_tokens=8)
    written = export.run(str(tmp_path / "student"), tmp_path / "student.gguf", options, Silent())
    file = {one.name: one for one in gguf.GGUFReader(tmp_path / "student.gguf").tensors}
    embeddings = file["token_embd.weight"]
    assert np.array_equal(
        gguf.quants.dequantize(embeddings.data, embeddings.tensor_type), one["model.embed_tokens.weight"].numpy()
    )
    down = file["blk.0.ffn_down.weight"]
    assert down.tensor_type == TYPES[kind]
    assert np.array_equal(
        gguf.quants.dequantize(down.data, down.tensor_type), one["model.layers.0.mlp.down_proj.weight"].numpy()
    )
    assert written.results["same_answers"] == written.results["answers_compared"]
    assert not any("--quant-aware" in note for note in written.notes)
    if kind == "q4_0":
        other_type = dataclasses.replace(options, quantize="q8_0")
        noted = export.run(str(tmp_path / "student"), tmp_path / "eight.gguf", other_type, Silent()).notes
        assert any("was trained with --quant-aware q4_0" in note for note in noted)
        assert read_manifest(tmp_path / "student" / "manifest.json").options["quant_aware_share"] == 0.5


def test_the_steps_before_are_made_with_whole_numbers(tmp_path: Path) -> None:
    rows = write(tmp_path / "train.jsonl", chain_rows(16))
    for name, more in (("plain", {}), ("aware", {"quant_aware": "q4_0", "quant_aware_share": 0.25})):
        finetune.run(rows, tmp_path / name, tiny_config(max_steps=8, **more), Silent())
    plain, aware = losses(tmp_path / "plain"), losses(tmp_path / "aware")
    assert plain[:6] == aware[:6]
    assert plain[6] != aware[6]


def test_weights_that_fsdp_cuts_up_are_refused_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    rows = write(tmp_path / "train.jsonl", [{"no": "row"}])
    with pytest.raises(UsageError, match=r"--quant-aware q4_0: rounds whole weights.* Start it without FSDP"):
        finetune.run(rows, tmp_path / "student", tiny_config(quant_aware="q4_0"), Silent())


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"method": "lora"}, "--quant-aware: needs --method full"),
        ({"precision": "bfloat16"}, "--precision: --quant-aware needs weights of 32 bits"),
        ({"patience": 1, "eval_data": "e.jsonl"}, "--patience: keeps the best weights"),
        ({"quant_aware_share": 0.0}, "--quant-aware-share: 0 steps are none"),
        ({"quant_aware": None, "quant_aware_share": 0.5}, "--quant-aware-share: goes with --quant-aware"),
        ({"loss": "dpo"}, "--quant-aware: is for training on rows"),
        ({"quant_aware": "q4_k_m"}, "--quant-aware: expected q8_0 or q4_0, got 'q4_k_m'"),
    ],
)
def test_options_that_do_not_go_with_it_are_refused_beforehand(more: dict[str, Any], problem: str) -> None:
    usual: dict[str, Any] = {"student": "some/model", "quant_aware": "q4_0", "method": "full"}
    with pytest.raises(UsageError, match=problem):
        check(FinetuneConfig(**{**usual, **more}))
