"""What a teacher's probabilities, hidden states and attention teach that its text does not.

    python -m tests.benchmarks.soft_labels gradient [--count N]   # how wrong top-K is, on SmolLM2-135M
    python -m tests.benchmarks.soft_labels students [--into FILE] [--seeds N] [--part biased|unbiased] [--arm NAME]…

`gradient`: the error |g - full| / |full| of the gradient on the student's scores, of K listed tokens with a tail
bucket, beside two cheaper estimates, at the tokens of recorded solutions to GSM8K's questions (of worded problems made
here, without $COTDISTILL_SHARED). The student is the same model without three of its layers.

`students`: the embedded task, chains of four last-digit operations, 700 steps of 16 rows whatever the rows. `biased`:
the teacher has learnt the embedded teacher's habit (it forgets borrows), and the students learn from the traces that
filter would keep, all right. `unbiased`: the teacher has learnt right traces, and the students have all of these, or
30 or 10 % of them. Each line that is done goes into FILE, and is not
done again; the teachers stay beside it.
"""

import argparse
import json
import os
import random
import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from cotdistill import students
from cotdistill.chat.template import render
from cotdistill.config import FinetuneConfig
from cotdistill.mock import problems
from cotdistill.mock.problems import Problem
from cotdistill.mock.solver import solve
from cotdistill.progress import Silent
from cotdistill.stages import finetune
from cotdistill.students import load, tiny
from cotdistill.students.generator import Generator
from cotdistill.training.losses.divergence import divergence, divergence_top_k
from tests.benchmarks.word_problems import word_problem
from tests.training_runs import right_trace, rows_of, write

STEPS_OF_A_CHAIN = 4
PROBLEMS, HELD_OUT = 1_500, 200
STEPS, TEACHER_STEPS, BATCH_SIZE = 700, 700, 16

BIASED = {
    "hard labels": "nll",
    "soft, gated": "soft",
    "soft, not gated": "soft:gate=no",
    "hidden, gated": "hidden",
    "hidden, not gated": "hidden:gate=no",
    "attention, gated": "attention",
    "attention, not gated": "attention:gate=no",
}
UNBIASED = {"hard labels": "nll", "soft, gated": "soft", "soft, T = 2": "soft:temperature=2"}
MISSING = (12, 13, 14)
SHARES = (1.0, 0.3, 0.1)


def chains() -> tuple[list[Problem], list[Problem]]:
    """To learn from, and to be asked."""
    steps = (STEPS_OF_A_CHAIN,)
    held = problems.generate(HELD_OUT, 99, steps=steps)
    return problems.generate(PROBLEMS, 0, frozenset(one.text for one in held), steps), held


def train(rows: Path, output: Path, student: str, steps: int, **more: Any) -> float:
    """Processor seconds."""
    config = FinetuneConfig(
        student=student, method="full", max_steps=steps, batch_size=BATCH_SIZE, learning_rate=3e-3, threads=1, **more
    )
    began = time.process_time()
    finetune.run(rows, output, config, Silent())
    return time.process_time() - began


def share_right(student: Path, asked: list[Problem]) -> float:
    generator = Generator(str(student), 1)
    prompts = [generator.prompt([{"role": "user", "content": one.text}]) for one in asked]
    answers = generator.answer(prompts, max_tokens=64, temperature=None, seeds=[0] * len(prompts))
    return statistics.mean(
        answer.text.rpartition("</think>")[2].strip() == one.answer for one, answer in zip(asked, answers, strict=True)
    )


def teacher(folder: Path, name: str, rows: Path) -> Path:
    """Twice the students' weights."""
    if (folder / name).is_dir():  # of an earlier call
        return folder / name
    tokenizer, base = tiny.tokenizer(), folder / f"{name}-untrained"
    torch.manual_seed(1)
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=96,
        intermediate_size=240,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=tiny.CONTEXT,
        initializer_range=0.1,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(shape).save_pretrained(base)
    tokenizer.save_pretrained(base)
    train(rows, folder / name, str(base), TEACHER_STEPS)
    return folder / name


def arms(part: str, seeds: int, only: list[str]) -> Iterator[tuple[str, float, str, int]]:
    """Name of an arm, share of the rows, loss, seed."""
    for seed in range(seeds):
        for share in SHARES if part == "unbiased" else (1.0,):
            for name, loss in (UNBIASED if part == "unbiased" else BIASED).items():
                if not only or name in only:
                    yield name, share, loss, seed


def run_students(into: Path, part: str, seeds: int, only: list[str]) -> None:
    into.touch()
    done = {(one["part"], one["arm"], one["share"], one["seed"]) for one in map(json.loads, into.open())}
    learn, asked = chains()
    folder = into.with_suffix(".work")
    folder.mkdir(exist_ok=True)
    with students.quiet():
        if part == "biased":
            told = [(one, solve(one, sample)) for one in learn for sample in range(2)]
            kept = [(one, said) for one, said in told if said[1] == one.answer]
            its = teacher(folder, "habit", write(folder / "all.jsonl", rows_of(told)))
        else:
            kept = [(one, right_trace(one)) for one in learn]
            its = teacher(folder, "right", write(folder / "all.jsonl", rows_of(kept)))
        its_share = share_right(its, asked)
        print(f"{part}: the teacher is right on {its_share:.1%}, {len(kept):,} rows are right", flush=True)
        for name, share, loss, seed in arms(part, seeds, only):
            if (part, name, share, seed) in done:
                continue
            rows = random.Random(seed).sample(kept, round(share * len(kept)))
            more = {} if loss == "nll" else {"loss": loss, "teacher": f"local:{its}"}
            cpu = train(
                write(folder / "rows.jsonl", rows_of(rows)), folder / "student", "tiny", STEPS, seed=seed, **more
            )
            found = share_right(folder / "student", asked)
            line = {"part": part, "arm": name, "share": share, "seed": seed, "right": found, "cpu_s": round(cpu, 1)}
            with into.open("a") as file:
                file.write(json.dumps({**line, "teacher_right": its_share}) + "\n")
    table(into)


def table(into: Path) -> None:
    groups: dict[tuple[str, float, str], list[dict[str, Any]]] = {}
    for one in map(json.loads, into.open()):
        groups.setdefault((one["part"], one["share"], one["arm"]), []).append(one)
    print("| teacher | rows | loss | seeds | right %, mean ± sd | each | CPU s a run |\n|---|---|---|---|---|---|---|")
    for (part, share, arm), found in groups.items():
        shares = [100 * one["right"] for one in sorted(found, key=lambda one: one["seed"])]
        spread = statistics.stdev(shares) if len(shares) > 1 else float("nan")
        each, cpu = ", ".join(f"{one:.0f}" for one in shares), statistics.mean(one["cpu_s"] for one in found)
        mean = f"{statistics.mean(shares):.1f} ± {spread:.1f}"
        print(f"| {part} | {share:.0%} | {arm} | {len(shares)} | {mean} | {each} | {cpu:.0f} |")


def solved(count: int) -> list[tuple[str, str]]:
    """Questions of GSM8K's test set with recorded solutions, where they are there; else worded problems made here."""
    recorded = Path(os.environ.get("COTDISTILL_SHARED", "../shared")) / "data/gsm8k/example_model_solutions.jsonl"
    if not recorded.is_file():
        source = random.Random(0)
        return [(one["question"], one["answer"]) for one in (word_problem(source) for _ in range(count))]
    with recorded.open() as lines:
        rows = [json.loads(next(lines)) for _ in range(count)]
    print(f"{recorded.name}: {count} solutions")
    return [(row["question"], re.sub("<<.*?>>", "", row["175b_verification"]["solution"])) for row in rows]


def run_gradient(count: int) -> None:
    with students.quiet():
        big, tokenizer = load.student("smollm2-135m", dtype="float32")
        small, _ = load.student("smollm2-135m", dtype="float32")
    small.model.layers = torch.nn.ModuleList([layer for n, layer in enumerate(small.model.layers) if n not in MISSING])
    for number, layer in enumerate(small.model.layers):
        layer.self_attn.layer_idx = number
    small.config.num_hidden_layers = len(small.model.layers)
    its, own = [], []
    for number, (question, solution) in enumerate(solved(count)):
        turn = {"role": "assistant", "content": solution}
        row = {"id": str(number), "prompt": [{"role": "user", "content": question}], "completion": [turn]}
        rendered = render(tokenizer, row)
        ids, trained = torch.tensor([rendered.input_ids]), slice(rendered.n_prompt - 1, -1)
        with torch.no_grad():
            its.append(big(ids, use_cache=False).logits[0, trained])
            own.append(small(ids, use_cache=False).logits[0, trained])
    teacher_scores, scores = torch.cat(its).float(), torch.cat(own).float().requires_grad_()
    logprobs = teacher_scores.log_softmax(-1)
    entropy = float(-(logprobs.exp() * logprobs).sum(-1).mean())
    full = divergence(scores, teacher_scores)
    (exact,) = torch.autograd.grad(full.sum(), scores)
    print(f"{len(scores)} positions, entropy {entropy:.2f} nats, KL {float(full.detach().mean()):.2f}")
    print("| K | mass listed, mean / 5th percentile | tail bucket | missing mass = 0 | renormalised over K |")
    print("|---|---|---|---|---|")
    for k in (1, 5, 20, 128):
        listed, ids = logprobs.topk(k)
        mass = listed.exp().sum(-1)
        student = scores.log_softmax(-1).gather(-1, ids)
        others = listed - mass.log()[:, None]
        estimates = {
            "tail": divergence_top_k(scores, ids, listed),
            "zero": (listed.exp() * (listed - student)).sum(-1),
            "again": (others.exp() * (others - student.log_softmax(-1))).sum(-1),
        }
        errors = [
            float((torch.autograd.grad(one.sum(), scores, retain_graph=True)[0] - exact).norm() / exact.norm())
            for one in estimates.values()
        ]
        print(
            f"| {k} | {float(mass.mean()):.3f} / {float(mass.quantile(0.05)):.2f} | "
            + " | ".join(f"{error:.3f}" for error in errors)
            + " |"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("gradient", "students", "table"))
    parser.add_argument("--into", type=Path, default=Path("soft_labels.jsonl"))
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--part", choices=("biased", "unbiased"), default="biased")
    parser.add_argument("--arm", action="append", default=[])
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    if chosen.what == "gradient":
        run_gradient(chosen.count)
    elif chosen.what == "students":
        run_students(chosen.into, chosen.part, chosen.seeds, chosen.arm)
    else:
        table(chosen.into)


if __name__ == "__main__":
    main()
