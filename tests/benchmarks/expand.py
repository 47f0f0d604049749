"""What `cotdistill expand` yields, costs and teaches, on the embedded teacher with its habit of forgetting to borrow.

python -m tests.benchmarks.expand yield      200 seeds -> 1,000 prompts: yield, copies, cost, wrong references
python -m tests.benchmarks.expand estimate   what a dry run says after a tenth, beside what was paid (--rounds seeds)
python -m tests.benchmarks.expand kill       killed at random moments and begun again
python -m tests.benchmarks.expand student    200 seeds and 800 new prompts against 1,000 seeds (--rounds, --arms)
"""

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import plugins
from cotdistill.artifacts import Manifest
from cotdistill.artifacts.json_lines import read_records
from cotdistill.config import (
    EvaluateConfig,
    ExpandConfig,
    FilterConfig,
    FinetuneConfig,
    FormatConfig,
    GenerateConfig,
)
from cotdistill.mock import problems
from cotdistill.progress import Silent
from cotdistill.records import Prompt, question_of
from cotdistill.stages import evaluate, expand, filter, finetune, format, generate
from cotdistill.stages.expand.sieve import _unanswered as unanswered
from cotdistill.stages.filter.screen import ask
from tests.conftest import ROOT
from tests.faulty_teacher import rehearsing

TEACHER, EXAM = "mock:digit-chains", 300
PRICES: dict[str, Any] = {"price_in": 1.0, "price_out": 3.0}


def write(path: Path, prompts: Iterable[Prompt]) -> Path:
    path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in prompts))
    return path


def chains(count: int, seed: int, exclude: frozenset[str] = frozenset(), name: str = "p") -> list[Prompt]:
    chosen = problems.generate(count, seed=seed, exclude=exclude)
    return [one.as_prompt(f"{name}{number}") for number, one in enumerate(chosen)]


def read(path: Path) -> list[Prompt]:
    return list(read_records(path, Prompt))


def wrong(prompts: Sequence[Prompt]) -> int:
    """References that are not the answer."""
    found = [(problems.parse(question_of(one)), one.reference) for one in prompts]
    return sum(chain is None or chain.answer != reference for chain, reference in found)


def wrong_by_votes(prompts: Sequence[Prompt]) -> str:
    votes = sorted({(one.tags or {})["votes"] for one in prompts}, reverse=True)
    by_votes = {name: [one for one in prompts if (one.tags or {})["votes"] == name] for name in votes}
    parts = [f"{name}: {wrong(ones)} of {len(ones)}" for name, ones in by_votes.items()]
    return f"{wrong(prompts)} of {len(prompts)} ({', '.join(parts)})"


def verified(prompt: Prompt) -> Prompt:
    chain = problems.parse(question_of(prompt))
    assert chain, "what has no answer was left out"
    return chain.as_prompt(prompt.id)


def copies(seeds: Sequence[Prompt], new: Sequence[Prompt]) -> dict[str, int]:
    """New prompts that the filters find among seeds and new prompts, asked afresh."""
    found = {}
    for name in ("exact_duplicate", "near_duplicate"):
        one = plugins.build("filters", name)
        for prompt in seeds:
            ask(name, one, unanswered(prompt))
        found[name] = sum(ask(name, one, unanswered(prompt)) is not None for prompt in new)
    return found


KINDS = {"six steps": (problems.STEPS,), "one to six steps": (1, 2, 3, 4, 5, 6)}
"""Of seeds. Of short ones there are few, so the teacher soon repeats itself."""


def estimates(folder: Path, seed_count: int, count: int, rounds: range) -> None:
    """The dry run after a tenth, and after a fifth, beside what was paid in the end."""
    for kind, steps in KINDS.items():
        for seed in rounds:
            paid, told = estimate(folder / f"{kind} {seed}", seed, seed_count, count, steps)
            errors = ", ".join(f"{one / paid - 1:+.1%} (margin {margin:.0%})" for one, margin in told)
            print(f"{kind}, seed {seed}: paid {paid:.4f} USD; after a tenth, and a fifth: {errors}", flush=True)


def estimate(
    folder: Path, seed: int, seed_count: int, count: int, steps: Sequence[int]
) -> tuple[float, list[tuple[float, float]]]:
    folder.mkdir()
    chosen = problems.generate(seed_count, seed=seed, steps=steps)
    seeds = write(folder / "seeds.jsonl", [one.as_prompt(f"p{number}") for number, one in enumerate(chosen)])
    store, methods = str(folder / "store.sqlite"), ("vary,evolve,persona",)
    config = ExpandConfig(teacher=TEACHER, count=count, method=methods, seed=seed, cache=store, **PRICES)

    def run(**more: Any) -> Manifest:
        return expand.run(seeds, folder / "new.jsonl", replace(config, **more), Silent())

    told, paid = [], 0.0
    for part in (10, 5):
        paid += float(run(count=count // part).results["spent_usd"])
        said = run(dry_run=True).results
        told.append((paid + float(said["cost_usd"]), said["margin_share"]))
    return paid + float(run().results["spent_usd"]), told


def yields(folder: Path, seed_count: int, count: int) -> None:
    exam = write(folder / "exam.jsonl", chains(EXAM, seed=1_000_003, name="exam"))
    seeds = write(folder / "seeds.jsonl", chains(seed_count, seed=1))
    config = ExpandConfig(
        teacher=TEACHER,
        count=count // 10,
        method=("vary,evolve,persona,topic",),
        against=(str(exam),),
        cache=str(folder / "store.sqlite"),
        **PRICES,
    )

    def run(**more: Any) -> Manifest:
        return expand.run(seeds, folder / "new.jsonl", replace(config, **more), Silent())

    first = run()
    planned = run(count=count, dry_run=True)
    whole = run(count=count)
    paid, bought = float(first.results["spent_usd"]), float(whole.results["spent_usd"])
    new = read(folder / "new.jsonl")
    against = plugins.build("filters", f"contamination:against={exam}")
    overlaps = sum(ask("contamination", against, unanswered(one)) is not None for one in new)
    print(f"{seed_count} seeds, {len(new)} kept of {whole.counts['written']} written")
    for name, one in whole.results["methods"].items():
        each = one["cost_usd_per_kept"]
        print(f"  {name:<8} {one['kept']:>5} of {one['asked']:>5}  {one['yield']:6.1%}  {each} USD each")
    print(f"dropped: {whole.results['dropped']}")
    print(
        f"seeds covered {whole.results['seeds_covered_share']:.1%}, distinct-2 {whole.results['distinct_2_share']:.1%}"
    )
    print(f"copies by our own filters {copies(read(seeds), new)}, evaluation overlaps {overlaps}")
    guess = float(planned.results["cost_usd"])
    print(
        f"a first {count // 10} cost {paid:.4f} USD; then the dry run said {guess:.4f} for the rest, paid {bought:.4f}"
    )
    print(f"  {(paid + guess) / (paid + bought) - 1:+.1%} in all, {guess / bought - 1:+.1%} of the rest")
    print(f"on the seeds: {whole.results['majority_on_seeds']}")
    print(f"wrong references {wrong_by_votes(new)}")
    run(count=count, min_accuracy=0.0)
    print(f"with --min-accuracy 0 {wrong_by_votes(read(folder / 'new.jsonl'))}")


async def kills(folder: Path, count: int, times: int, seed: int) -> None:
    seeds = write(folder / "seeds.jsonl", chains(50, seed=1))
    moments = random.Random(seed)
    async with rehearsing(folder, latency_s=0.02, latency_tail=1.0) as here:

        async def start(name: str, store: str) -> asyncio.subprocess.Process:
            words = ["expand", str(seeds), "-o", str(folder / f"{name}.jsonl"), "--count", str(count), "--cache", store]
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "cotdistill", *words, "--method", "vary,evolve", "--concurrency", "16"),
                *(*here.words(), "--quiet"),
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

        store = os.environ["COTDISTILL_CACHE"]
        flying = 0
        for number in range(1, times + 1):
            process, aim = await start("killed", store), here.answers + moments.randint(1, 7 * count // times)
            while here.answers < aim and process.returncode is None:
                await asyncio.sleep(0.002)
            if process.returncode is not None:
                break
            process.send_signal(signal.SIGKILL)
            await process.wait()
            await asyncio.sleep(0.5)  # requests that were sent, and not read yet
            lost = len({headers["idempotency-key"] for headers in here.headers} - here.stored())
            flying += lost
            print(
                f"kill {number}: {here.answers} answers billed, {len(here.stored())} in the store, {lost} in flight",
                flush=True,
            )
        last = await start("killed", store)
        code = await last.wait()
        bought = Counter(bill["idempotency_key"] for bill in here.bills())
        print(f"exit {code}; bought again {bought.total() - len(bought)}, in flight at the kills {flying}")
        print(f"ledger equals store: {set(bought) == here.stored()}")
        await (await start("undisturbed", str(folder / "other.sqlite"))).wait()
        same = (folder / "killed.jsonl").read_bytes() == (folder / "undisturbed.jsonl").read_bytes()
        print(f"prompts identical to an undisturbed run's: {same}")


ARMS: dict[str, dict[str, Any] | None] = {
    "1,000 written": None,
    "200 + 800, as it comes": {},
    "200 + 800, 8 samples, 0.9": {"samples": 8, "min_accuracy": 0.9},
    "200 + 800, verified": {"min_accuracy": 0.0},
    "200 + 800, all, weight 1": {"min_accuracy": 0.0, "weight": 1.0},
    "200 written": {"count": 0},
    "200 + 800, by the 200's student": {"samples": 3, "agreement": 1.0, "max_output_tokens": 128},
}
"""What each student learns from; the options are those of expand. "verified" has right references in the place of those
by majority, as a program gives that can verify an answer. For the last one the student of the 200 alone is the solver:
it learnt from verified traces, so it has not the teacher's habit; and those of the teacher's traces stay that end as
all three of its answers do."""


def student(folder: Path, arm: str, seed: int, steps: int) -> tuple[float, int, int, int]:
    """Accuracy on the exam, prompts, rows, and wrong references among the new prompts."""
    folder.mkdir(parents=True, exist_ok=True)
    store, options = str(folder.parent / "store.sqlite"), ARMS[arm]
    written = chains(1_000, seed=seed)
    exam = chains(EXAM, seed=seed + 1_000_003, exclude=frozenset(map(question_of, written)), name="exam")
    write(folder / "exam.jsonl", exam)
    new: list[Prompt] = []
    if options is not None:
        written = written[:200]
        if options.get("count") != 0:
            seeds = write(folder / "seeds.jsonl", written)
            config = ExpandConfig(
                teacher=TEACHER, count=800, seed=seed, against=(str(folder / "exam.jsonl"),), cache=store, **options
            )
            if arm.endswith("student"):
                alone = student(folder / "first", "200 written", seed, steps)[0]
                print(f"{seed:<5} {'  200 written':<32} {alone:>9.1%}", flush=True)
                config = replace(config, solver=f"local:{folder / 'first' / 'student'}")
            expand.run(seeds, folder / "new.jsonl", config, Silent())
            new = read(folder / "new.jsonl")
            if arm.endswith("verified"):
                new = [verified(one) for one in new]
    asked = write(folder / "prompts.jsonl", [*written, *new])
    at = {name: folder / f"{name}.jsonl" for name in ("responses", "kept", "train")}
    generate.run(asked, at["responses"], GenerateConfig(teacher=TEACHER, samples=4, cache=store), Silent())
    filter.run(at["responses"], at["kept"], FilterConfig(select="first:k=1", workers=1), Silent())
    format.run(at["kept"], at["train"], FormatConfig(), Silent())
    trained = FinetuneConfig(student="tiny", max_steps=steps, batch_size=16, seed=seed, threads=1)
    finetune.run(at["train"], folder / "student", trained, Silent())
    scored = EvaluateConfig(student=str(folder / "student"), max_output_tokens=128, batch_size=100, threads=1)
    scores = evaluate.run(folder / "exam.jsonl", folder / "scores.json", scored, Silent())
    accuracy: float = scores.results["students"][0]["accuracy"]
    return accuracy, len(written) + len(new), sum(1 for _ in at["train"].open()), wrong(new)


def students(folder: Path, seeds: range, steps: int, arms: Sequence[str]) -> None:
    print(
        f"{'seed':<5} {'learns from':<32} {'accuracy':>9} {'prompts':>8} {'rows':>6} {'wrong references':>17}",
        flush=True,
    )
    for seed in seeds:
        for number, arm in enumerate(arms):
            accuracy, prompts, rows, mistaken = student(folder / f"seed{seed}" / f"arm{number}", arm, seed, steps)
            print(f"{seed:<5} {arm:<32} {accuracy:>9.1%} {prompts:>8} {rows:>6} {mistaken:>17}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("what", choices=("yield", "estimate", "kill", "student"))
    options.add_argument("--seeds", type=int, default=200)
    options.add_argument("--count", type=int, default=None)
    options.add_argument("--kills", type=int, default=8)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--steps", type=int, default=900)
    options.add_argument("--arms", type=int, nargs="*", default=range(len(ARMS)))
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        os.environ["COTDISTILL_CACHE"] = f"{directory}/store.sqlite"
        folder = Path(directory)
        if chosen.what == "yield":
            yields(folder, chosen.seeds, chosen.count or 1_000)
        elif chosen.what == "estimate":
            estimates(folder, chosen.seeds, chosen.count or 1_000, range(chosen.first, chosen.first + chosen.rounds))
        elif chosen.what == "kill":
            asyncio.run(kills(folder, chosen.count or 100, chosen.kills, seed=0))
        else:
            seeds = range(chosen.first, chosen.first + chosen.rounds)
            students(folder, seeds, chosen.steps, [list(ARMS)[number] for number in chosen.arms])


if __name__ == "__main__":
    main()
