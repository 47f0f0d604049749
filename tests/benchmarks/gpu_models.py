"""What the parts of `gpu.py` train and ask: random models of three sizes, their rows, and GSM8K's; and what they read
from the card."""

import json
import re
import resource
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.benchmarks.word_problems import distinct


@dataclass(frozen=True)
class Shape:
    """Of a random Llama, and of its rows: log-normal lengths with this median, at most `longest`."""

    width: int
    layers: int
    heads: int
    keys: int
    inner: int
    vocabulary: int
    median: int
    longest: int


SHAPES = {
    "large": Shape(2048, 16, 32, 8, 8192, 49_152, 500, 4_096),
    "medium": Shape(576, 30, 9, 3, 1536, 49_152, 300, 2_048),
    "small": Shape(64, 2, 4, 2, 128, 512, 60, 128),
}
"""1.17 B weights; SmolLM2-135M's; and one that a processor runs, to try the script itself."""

PROMPT = 30
"""Tokens at the beginning of each row that are not trained."""


LOSS_ROWS = 400
"""Held-out rows whose loss is measured after each pass."""


def rows_of_a_long_tail(shape: Shape, count: int) -> Any:
    import numpy as np

    from cotdistill.chat.template import Rendered
    from cotdistill.training.token_rows import TokenRows

    source, rows = np.random.default_rng(0), TokenRows()
    drawn = source.lognormal(np.log(shape.median), 0.7, count)
    # A few tokens, each with a few that may follow it, so that there is something to learn and a loss that falls.
    tokens = source.integers(3, shape.vocabulary, min(512, shape.vocabulary // 2))
    follow = source.integers(0, len(tokens), (len(tokens), 4))
    for length in np.clip(drawn, PROMPT + 10, shape.longest).astype(int):
        walk = [int(source.integers(len(tokens)))]
        for choice in source.integers(0, 4, length - 1):
            walk.append(int(follow[walk[-1], choice]))
        rows.add(Rendered(tokens[walk].tolist(), PROMPT, "native"))
    return rows


def model_of(shape: Shape, seed: int = 0) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=shape.vocabulary, hidden_size=shape.width, num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads, num_key_value_heads=shape.keys, intermediate_size=shape.inner,
        max_position_embeddings=8192, tie_word_embeddings=False, bos_token_id=None,
        eos_token_id=shape.vocabulary - 1, pad_token_id=0,
    )  # fmt: skip
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        return LlamaForCausalLM(config)


def saved(shape: Shape, folder: Path, seed: int) -> Path:
    """A model directory with the embedded student's tokenizer."""
    import torch

    from cotdistill.students import tiny

    model_of(shape, seed).to(torch.bfloat16).save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return folder


def wider(shape: Shape) -> Shape:
    return replace(shape, width=2 * shape.width, heads=2 * shape.heads, keys=2 * shape.keys)


def write_gsm8k(source: Path, folder: Path, rows: int, questions: int) -> None:
    """Rows and questions from the first lines of train.jsonl and test.jsonl; calculator marks are taken out."""

    def read(name: str, count: int) -> list[dict[str, str]]:
        lines = (source / name).read_text(encoding="utf-8").splitlines()[:count]
        return [json.loads(re.sub(r"<<.*?>>", "", line)) for line in lines]

    _write(folder, read("train.jsonl", rows), read("test.jsonl", questions))


def write_words(folder: Path, rows: int, questions: int, seed: int) -> None:
    """The word problems of `real_student.py`."""
    problems = distinct(rows + questions, seed)
    _write(folder, problems[:rows], problems[rows:])


def _write(folder: Path, train: list[dict[str, str]], held_out: list[dict[str, str]]) -> None:
    """rows.jsonl and heldout_rows.jsonl as format writes them, heldout.jsonl as evaluate reads it."""
    for name, problems in (("rows", train), ("heldout_rows", held_out[:LOSS_ROWS])):
        with (folder / f"{name}.jsonl").open("w") as file:
            for number, one in enumerate(problems):
                turns = [{"role": "user", "content": one["question"]}]
                said = {"role": "assistant", "content": one["answer"]}
                file.write(json.dumps({"id": f"{number}/0", "prompt": turns, "completion": [said]}) + "\n")
    with (folder / "heldout.jsonl").open("w") as file:
        for number, one in enumerate(held_out):
            answer = one["answer"].rpartition("#### ")[2]
            file.write(json.dumps({"id": f"t{number}", "question": one["question"], "answer": answer}) + "\n")


def wait() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_gb() -> float:
    """Of the card; without one, of this process."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
