"""GGUF files of a real student against llama.cpp: its converter's and its quantizer's bytes, and its answers.

    python -m tests.benchmarks.gguf_files [--student smollm2-135m] [--converter DIR] [--steps 5] [--questions 50]

Each file is written by `cotdistill export`. `tensors`: of how many the bytes are those of llama.cpp's own converter
(f16, bf16, q8_0; DIR is `vendor/llama.cpp` of the source package of llama-cpp-python, which needs sentencepiece beside
it) and of its quantizer (q4_0, from the f32 file). `answers`: greedy ones of 16 tokens to the shortest questions of
GSM8K's test set, by the student with weights in 32 bits, by the file in transformers, and by llama.cpp, which rounds
activations to 16 bits. The last row is a student after some steps of `--quant-aware q4_0`.
llama-cpp-python must be importable; without it, and without DIR, these columns are empty.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from cotdistill.students import load
from cotdistill.students.generator import Generator
from cotdistill.students.prompts import Prompt
from tests.benchmarks.near_duplicates import GSM8K
from tests.conftest import ROOT

TYPES = ("f16", "bf16", "q8_0", "q4_0")
TOKENS, FEWER = 16, 10
"""Of each answer; and questions for every file but the first."""
Answer = tuple[list[int], str]
"""The prompt's token ids, and the answer."""


def cotdistill(*words: str, cwd: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    subprocess.run([sys.executable, "-m", "cotdistill", *words, "--quiet"], cwd=cwd, env=environment, check=True)


def export(student: str, folder: Path, kind: str) -> Path:
    """The file. It is asked one question at the export, for more are asked here."""
    (folder / "one.txt").write_text("What is 17 + 26?\n")
    cotdistill("export", student, "-o", f"{kind}.gguf", "--quantize", kind, "--prompts", "one.txt", cwd=folder)
    return folder / f"{kind}.gguf"


def same_tensors(ours: Path, theirs: Path | None) -> str:
    if theirs is None:
        return ""
    own, other = ({one.name: one for one in gguf.GGUFReader(path).tensors} for path in (ours, theirs))
    equal = sum(
        name in other
        and one.tensor_type == other[name].tensor_type
        and one.data.tobytes() == other[name].data.tobytes()
        for name, one in own.items()
    )
    return f"{equal} of {len(own.keys() | other.keys())}"


def converted(converter: Path | None, source: str, folder: Path, kind: str) -> Path | None:
    """What llama.cpp's own converter makes of the student's directory."""
    if converter is None:
        return None
    path = folder / f"theirs-{kind}.gguf"
    words = [
        sys.executable,
        str(converter / "convert_hf_to_gguf.py"),
        source,
        "--outfile",
        str(path),
        "--outtype",
        kind,
    ]
    beside = f"{converter}:{converter / 'gguf-py'}:{os.environ.get('PYTHONPATH', '')}"
    subprocess.run(words, env={**os.environ, "PYTHONPATH": beside}, check=True, capture_output=True)
    return path


def llama() -> Any:
    """llama-cpp-python; None where it is not installed."""
    try:
        return importlib.import_module("llama_cpp")
    except ImportError:
        return None


def quantized(whole: Path, folder: Path, kind: str) -> Path | None:
    """What llama.cpp's own quantizer makes of a file with whole weights."""
    if (llama_cpp := llama()) is None:
        return None
    path = folder / f"theirs-{kind}.gguf"
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind.upper()}")
    # As cotdistill's q4_0: the embedding, which is the output too, keeps eight bits.
    settings.token_embedding_type = settings.output_tensor_type = int(gguf.GGMLQuantizationType.Q8_0)
    if llama_cpp.llama_model_quantize(str(whole).encode(), str(path).encode(), settings):
        sys.exit(f"llama.cpp's quantizer failed on {whole}")
    return path


def prompts_of(student: str, questions: Sequence[str]) -> list[str]:
    """As texts, in the student's chat template."""
    tokenizer = load.tokenizer(student)
    asked: list[list[dict[str, str]]] = [[{"role": "user", "content": one}] for one in questions]
    return [str(tokenizer.apply_chat_template(one, tokenize=False, add_generation_prompt=True)) for one in asked]


def by_transformers(student: str, texts: Sequence[str]) -> list[Answer]:
    generator = Generator(student, dtype="float32")
    tokenizer = load.tokenizer(student)
    prompts = [Prompt(list(tokenizer(text, add_special_tokens=False).input_ids), False) for text in texts]
    found = generator.answer(prompts, max_tokens=TOKENS, temperature=None, seeds=[0] * len(prompts))
    return [(list(prompt.ids), one.text) for prompt, one in zip(prompts, found, strict=True)]


def by_llama_cpp(path: Path, texts: Sequence[str], student: str) -> list[Answer] | None:
    """Greedy. The file's own tokenizer reads the prompts; what was written is decoded by the student's. Keys and values
    are kept in 32 bits."""
    if (llama_cpp := llama()) is None:
        return None
    tokenizer = load.tokenizer(student)
    model: Any = llama_cpp.Llama(str(path), n_ctx=512, n_threads=1, type_k=0, type_v=0, verbose=False)
    vocabulary = llama_cpp.llama_model_get_vocab(model.model)
    found = []
    for text in texts:
        ids = model.tokenize(text.encode(), add_bos=False, special=True)
        model.reset()
        model.eval(ids)
        answer: list[int] = []
        while len(answer) < TOKENS:
            scores = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(model.ctx, -1), shape=(len(tokenizer),))
            token = int(scores.argmax())
            if llama_cpp.llama_vocab_is_eog(vocabulary, token):
                break
            answer.append(token)
            model.eval([token])
        found.append((ids, tokenizer.decode(answer, skip_special_tokens=False, clean_up_tokenization_spaces=False)))
    return found


def agreement(one: Sequence[Answer], other: Sequence[Answer] | None) -> str:
    """Of the answers, those that are the same; where prompts became other tokens, how many did not."""
    if other is None:
        return ""
    prompts = sum(mine[0] == yours[0] for mine, yours in zip(one, other, strict=True))
    answers = sum(mine[1] == yours[1] for mine, yours in zip(one, other, strict=True))
    return f"{answers} of {len(one)}" + ("" if prompts == len(one) else f" ({prompts} prompts the same tokens)")


def rows(student: str, folder: Path, questions: Sequence[str], kinds: Sequence[str], converter: Path | None) -> None:
    texts = prompts_of(student, questions)
    whole = by_transformers(student, texts)
    for number, kind in enumerate(kinds):
        asked = slice(None) if number == 0 else slice(FEWER)
        path = export(student, folder, kind)
        if kind == "q4_0":
            theirs = quantized(export(student, folder, "f32"), folder, kind) if llama() else None
        else:
            theirs = converted(converter, student, folder, kind)
        of_student = whole[asked]
        of_file = by_transformers(str(path), texts[asked])
        of_llama_cpp = by_llama_cpp(path, texts[asked], student)
        cells = (
            kind,
            f"{path.stat().st_size / 1e6:.0f}",
            same_tensors(path, theirs),
            agreement(of_student, of_file),
            agreement(of_student, of_llama_cpp),
            "" if of_llama_cpp is None else agreement(of_file, of_llama_cpp),
        )
        print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--student", default="smollm2-135m")
    options.add_argument("--converter", type=Path, help="llama.cpp's source, with convert_hf_to_gguf.py")
    options.add_argument("--steps", type=int, default=5)
    options.add_argument("--questions", type=int, default=50)
    options.add_argument("--kinds", nargs="*", default=TYPES)
    chosen = options.parse_args()
    lines = (GSM8K / "test.jsonl").read_text().splitlines()
    questions = sorted((json.loads(line)["question"] for line in lines), key=len)[: chosen.questions]
    print("| type | MB | tensors as llama.cpp's | file = student | llama.cpp = student | llama.cpp = file |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        saved = folder / "student"
        save(chosen.student, saved)
        rows(str(saved), folder, questions, chosen.kinds, chosen.converter)
        if chosen.steps:
            train = [
                {
                    "prompt": [{"role": "user", "content": one["question"]}],
                    "completion": [{"role": "assistant", "content": one["answer"]}],
                }
                for one in map(json.loads, (GSM8K / "train.jsonl").read_text().splitlines()[:40])
            ]
            (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in train))
            cotdistill(
                *("finetune", "rows.jsonl", "-o", "aware", "--student", str(saved), "--method", "full"),
                *("--max-steps", str(chosen.steps), "--batch-size", "2", "--quant-aware", "q4_0"),
                cwd=folder,
            )
            print(f"after {chosen.steps} steps with --quant-aware q4_0:", flush=True)
            rows(str(folder / "aware"), folder, questions, ("q4_0",), None)


def save(student: str, folder: Path) -> None:
    """As a directory of its own, which llama.cpp's converter reads."""
    model, tokenizer = load.student(student)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main()
