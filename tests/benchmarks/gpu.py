"""What finetune and evaluate do on one GPU: speed, memory, loss, answers. Fits ten minutes of one card.

    python -m tests.benchmarks.gpu [--budget-s 500] [--student DIR|ID --gsm8k DIR]

Training: a random Llama of 1.07 B weights (16 layers, 2,048 wide), rows of log-normal length, each way in a process of
its own, so that none inherits another's kernels or memory. tokens/s are the rows' own, padding not counted, after the
warm-up; MFU is 6 FLOPs a weight and token (4 with LoRA, whose base gets no gradients) against the card's dense bfloat16
peak. "trl" is SFTTrainer with its defaults. Answers: the same model, greedy and sampled. With --student and a folder
with GSM8K's train.jsonl and test.jsonl, what the defaults teach that student, LoRA and full.

Each part prints its line as it ends and is skipped when the budget would not hold it; the table comes last.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
"""bfloat16, dense, as their maker states it."""

WIDTH, LAYERS, HEADS, KEYS, INNER, VOCABULARY = 2048, 16, 32, 8, 8192, 49_152
STEPS = 30


def rows_of_a_long_tail(count: int) -> Any:
    """Log-normal lengths, median 500 tokens, at most 4,096; the first 100 tokens are the prompt."""
    import numpy as np

    from cotdistill.chat.template import Rendered
    from cotdistill.training.token_rows import TokenRows

    random, rows = np.random.default_rng(0), TokenRows()
    for length in np.clip(random.lognormal(np.log(500), 0.7, count), 120, 4_096).astype(int):
        rows.add(Rendered(random.integers(3, VOCABULARY, length).tolist(), 100, "native"))
    return rows


def large_model() -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        num_key_value_heads=KEYS, intermediate_size=INNER, max_position_embeddings=8192, tie_word_embeddings=False,
        bos_token_id=None, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        return LlamaForCausalLM(config)


def train_ours(options: dict[str, Any]) -> dict[str, Any]:
    """One run of finetune's own training on the large model."""

    from cotdistill.config import FinetuneConfig
    from cotdistill.progress import Silent
    from cotdistill.students import tiny
    from cotdistill.training import packing, precision, train
    from cotdistill.training.token_rows import TokenRows

    steps = options.pop("steps", STEPS)
    config = FinetuneConfig(
        **{"student": "large", "max_steps": steps, "batch_size": 32, "learning_rate": 1e-4, "epochs": 1, **options}
    )
    rows = rows_of_a_long_tail(steps * (config.batch_size or 1))
    model = large_model()
    weights = sum(weight.numel() for weight in model.parameters())
    precision.prepare(model, config)
    with tempfile.TemporaryDirectory() as work:
        planned = train.schedule(rows, config, packed=packing.chosen(config.packing, model))
        made = train.train(model, tiny.tokenizer(), planned, TokenRows(), config, Path(work), Silent())
    return {
        "tokens_per_s": made.tokens_per_s, "warm_up_s": made.warm_up_s, "weights": weights,
        "lora": config.method == "lora", "packed": planned.packed, "fused": made.fused,
        "padding": planned.padding_share, "twice": made.checkpointing,
        "losses": [entry["loss"] for entry in made.history if "loss" in entry],
    }  # fmt: skip


def train_trl(options: dict[str, Any]) -> dict[str, Any]:
    """SFTTrainer as it comes, given the tokens."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from cotdistill.students import tiny

    batch_size, steps = options.get("batch_size", 32), options.get("steps", 12)
    rows = rows_of_a_long_tail(batch_size * steps)
    marks: list[tuple[float, int]] = []
    model = large_model()
    weights = sum(weight.numel() for weight in model.parameters())

    class Counting(SFTTrainer):  # type: ignore[misc]
        read = 0

        def compute_loss(self, model: Any, inputs: Any, *args: Any, **more: Any) -> Any:
            self.read += int(inputs["attention_mask"].sum())
            return super().compute_loss(model, inputs, *args, **more)

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            _wait()
            marks.append((time.monotonic(), trainer.read))

    data = Dataset.from_dict(
        {"input_ids": [rows.ids(row) for row in range(len(rows))]}
        | {"labels": [rows.labels(row) for row in range(len(rows))]}
    )
    with tempfile.TemporaryDirectory() as work:
        args = SFTConfig(
            output_dir=work, max_steps=steps, per_device_train_batch_size=batch_size, max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True}, save_strategy="no", disable_tqdm=True, report_to=[],
        )  # fmt: skip
        lora = options.get("method") == "lora"
        peft = LoraConfig(r=32, lora_alpha=64, target_modules="all-linear", task_type="CAUSAL_LM") if lora else None
        tokenizer = tiny.tokenizer()
        trainer = Counting(model=model, args=args, train_dataset=data, processing_class=tokenizer, peft_config=peft)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(Clock())
        trainer.train()
    speed = (marks[-1][1] - marks[2][1]) / (marks[-1][0] - marks[2][0])
    return {"tokens_per_s": speed, "weights": weights, "lora": lora}


def _generator(model: Any) -> Any:
    """A Generator of a model that comes from no directory, and that never ends an answer by itself."""
    from cotdistill.students import tiny
    from cotdistill.students.generator import Generator

    made = Generator.__new__(Generator)
    made._model, made._tokenizer, made.context = model.eval(), tiny.tokenizer(), 8192
    made._ends = [VOCABULARY - 1]
    return made


def answers(options: dict[str, Any]) -> dict[str, Any]:
    """Tokens a second of the large model, which never ends by itself, so that each row writes the whole cap."""
    import torch

    from cotdistill.students.prompts import Prompt

    made = _generator(large_model().to(torch.bfloat16))
    count, cap = options["rows"], options["tokens"]
    prompts = [Prompt([7 + row % 100] * 64, False) for row in range(count)]
    heat = options.get("temperature")
    made.answer(prompts[:8], max_tokens=8, temperature=heat, seeds=range(8))
    _wait()
    began = time.monotonic()
    found = made.answer(prompts, max_tokens=cap, temperature=heat, seeds=range(count))
    _wait()
    return {"tokens_per_s": sum(one.tokens for one in found) / (time.monotonic() - began), "most": made.most_rows(1024)}


def _wait() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def same_answers(options: dict[str, Any]) -> dict[str, Any]:
    """Whether a sampled answer is the same alone and among 63 others, in 32 bits."""
    from cotdistill.students.prompts import Prompt

    made = _generator(large_model())
    prompts = [Prompt([7 + row] * (20 + row), False) for row in range(64)]
    together = made.answer(prompts, max_tokens=24, temperature=1.0, seeds=range(64))
    alone = [made.answer([prompts[row]], max_tokens=24, temperature=1.0, seeds=[row])[0] for row in range(0, 64, 8)]
    return {"same": sum(one.text == together[row].text for one, row in zip(alone, range(0, 64, 8), strict=True))}


def gsm8k(options: dict[str, Any]) -> dict[str, Any]:
    """Train with the defaults on GSM8K's worked solutions, score on all test questions: the commands people type."""
    folder, out = Path(options["folder"]), Path(options["out"])
    name = options["name"]
    began = time.monotonic()
    words = ["finetune", str(folder / "rows.jsonl"), "-o", str(out / name), "--student", options["student"]]
    done = _cotdistill(*words, *options["how"], "--json", "--quiet")
    trained = json.loads(done)
    seconds = time.monotonic() - began
    prompts = folder / "heldout.jsonl"
    words = ["evaluate", str(prompts), "-o", str(out / f"{name}.json"), "--student", str(out / name)]
    scored = json.loads(_cotdistill(*words, "--max-output-tokens", "256", "--json", "--quiet"))
    student = scored["results"]["students"][0]
    return {
        "accuracy": student["accuracy"], "interval": student.get("accuracy_interval"), "train_s": seconds,
        "evaluate_s": time.monotonic() - began - seconds, "results": trained["results"],
    }  # fmt: skip


def _cotdistill(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "cotdistill", *words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return done.stdout


def write_gsm8k(folder: Path) -> None:
    """rows.jsonl and heldout.jsonl from train.jsonl and test.jsonl; calculator marks are taken out."""
    import re

    def read(name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]

    with (folder / "rows.jsonl").open("w") as file:
        for number, one in enumerate(read("train.jsonl")):
            text, _, answer = re.sub(r"<<.*?>>", "", one["answer"]).partition("\n#### ")
            turns = [{"role": "user", "content": one["question"]}]
            said = {"role": "assistant", "content": f"{text}\n#### {answer}"}
            file.write(json.dumps({"id": f"g{number}/0", "prompt": turns, "completion": [said]}) + "\n")
    with (folder / "heldout.jsonl").open("w") as file:
        for number, one in enumerate(read("test.jsonl")):
            answer = one["answer"].rpartition("#### ")[2]
            file.write(json.dumps({"id": f"t{number}", "question": one["question"], "answer": answer}) + "\n")


PARTS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "ours": train_ours, "trl": train_trl, "answers": answers, "same": same_answers, "gsm8k": gsm8k,
}  # fmt: skip

PLAN: list[tuple[str, str, dict[str, Any], dict[str, str], int]] = [
    ("full, packed, bfloat16", "ours", {"method": "full"}, {}, 45),
    ("full, TRL's defaults", "trl", {"batch_size": 8}, {}, 45),
    ("LoRA, packed, bfloat16", "ours", {"method": "lora"}, {}, 40),
    ("LoRA, TRL's defaults", "trl", {"method": "lora", "batch_size": 8}, {}, 45),
    ("full, padded, bfloat16", "ours", {"method": "full", "packing": "none"}, {}, 50),
    ("full, packed, float32", "ours", {"method": "full", "precision": "float32"}, {}, 45),
    ("full, padded, float32", "ours", {"method": "full", "precision": "float32", "packing": "none"}, {}, 50),
    ("full, packed, bfloat16, no Liger", "ours", {"method": "full"}, {"COTDISTILL_LIGER": "0"}, 45),
    ("answers, greedy, 256 rows", "answers", {"rows": 256, "tokens": 200}, {}, 40),
    ("answers, sampled, 256 rows", "answers", {"rows": 256, "tokens": 200, "temperature": 0.7}, {}, 40),
    ("sampled alone and among 63", "same", {}, {}, 40),
    ("200 steps, bfloat16", "ours", {"method": "full", "batch_size": 8, "steps": 200}, {}, 60),
    ("200 steps, float32", "ours", {"method": "full", "batch_size": 8, "steps": 200, "precision": "float32"}, {}, 70),
]
"""Name, part, its options, environment, and the seconds that it is thought to take."""


def run(name: str, part: str, options: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
    words = [sys.executable, "-m", "tests.benchmarks.gpu", "--part", part, "--options", json.dumps(options)]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode:
        return {"failed": " ".join(done.stderr.split())[-600:]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def line(name: str, found: dict[str, Any], peak: float | None) -> str:
    if "failed" in found:
        return f"{name:34} FAILED {found['failed']}"
    words = [f"{name:34}"]
    if "tokens_per_s" in found:
        words.append(f"{found['tokens_per_s']:10,.0f} tokens/s")
        if peak and "weights" in found:
            flops = (4 if found["lora"] else 6) * found["weights"] * found["tokens_per_s"]
            words.append(f"{flops / peak:6.1%} MFU")
    words.append(f"{found['peak_gb']:6.1f} GB")
    shown = ("packed", "fused", "twice", "warm_up_s", "padding", "same", "most")
    if "accuracy" in found:
        found = {**found, **found["results"]}
        shown = ("accuracy", "interval", "train_s", "evaluate_s", "learning_rate", "loss", "tokens_per_s")
    extra: dict[str, Any] = {key: found[key] for key in shown if key in found}
    words += [f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in extra.items()]
    return " ".join(words)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--budget-s", type=float, default=500)
    options.add_argument("--student")
    options.add_argument("--gsm8k")
    options.add_argument("--only", default="")
    options.add_argument("--out", default="")
    options.add_argument("--part")
    options.add_argument("--options", default="{}")
    chosen = options.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch

    if chosen.part:
        from cotdistill import students

        with students.quiet():
            found = PARTS[chosen.part](json.loads(chosen.options))
        print(
            json.dumps(
                {**found, "peak_gb": torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0}
            )
        )
        return
    ends = time.monotonic() + chosen.budget_s
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    peak = next((flops for key, flops in PEAK_FLOPS.items() if key in name), None)
    print(f"{name}, torch {torch.__version__}", flush=True)
    results: dict[str, Any] = {}
    plan = [one for one in PLAN if chosen.only in one[0]]
    with tempfile.TemporaryDirectory() as work:
        if chosen.student and chosen.gsm8k:
            write_gsm8k(Path(chosen.gsm8k))
            base = {"folder": chosen.gsm8k, "out": work, "student": chosen.student}
            for label, how in (("GSM8K, LoRA, defaults", ()), ("GSM8K, full, defaults", ("--method", "full"))):
                options_of = {**base, "name": label.split(",")[1].strip(), "how": how}
                plan.append((label, "gsm8k", options_of, {}, 240))
        for label, part, given, environment, seconds in plan:
            if time.monotonic() + seconds > ends:
                print(f"{label:34} skipped: it is thought to take {seconds} s", flush=True)
                continue
            began = time.monotonic()
            results[label] = run(label, part, given, environment)
            print(line(label, results[label], peak), f"[{time.monotonic() - began:.0f} s]", flush=True)
    half, whole = (results.get(f"200 steps, {kind}", {}).get("losses", []) for kind in ("bfloat16", "float32"))
    for number, (one, other) in enumerate(zip(half, whole, strict=False)):
        if number % 10 == 0 or number == len(half) - 1:
            print(f"loss, log entry {number:3}: bfloat16 {one:.4f}  float32 {other:.4f}")
    if chosen.out:
        Path(chosen.out).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
