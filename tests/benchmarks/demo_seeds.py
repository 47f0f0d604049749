"""What the demo's students learn, over several seeds.

    python tests/benchmarks/demo_seeds.py [SEEDS] [DIRECTORY]

Each seed draws its own problems, teacher's slips, order and initial weights. The claims under test: verified traces
reach at least 93 % on every seed, all traces about half, answers only stay near chance (10 %), also at twice the steps;
and the student of verified traces answers shorter chains than the held-out ones too, the printed example among them.
"""

import json
import resource
import sys
import tempfile
from pathlib import Path
from statistics import mean

import msgspec

from cotdistill.config import EvaluateConfig
from cotdistill.mock import problems
from cotdistill.progress import Silent
from cotdistill.recipes import demo
from cotdistill.stages import evaluate

SHORTER = 40
"""Problems of each length from two to five steps. The students have seen most of those of one step."""


def run(seeds: int, directory: Path) -> None:
    names = [arm.name for arm in demo.Demo(directory).arms()]
    titles = [*names, "2 to 5 steps", "example"]
    print(f"{'seed':<6}" + "".join(f"{title:>18}" for title in titles) + f"{'CPU s':>8}", flush=True)
    columns: list[list[float]] = []
    for seed in range(seeds):
        began = _cpu_s()
        one = demo.Demo(directory / f"seed{seed}", seed=seed)
        demo.run(one, Silent())
        seconds = _cpu_s() - began
        scores = json.loads((one.directory / "scores.json").read_text())["students"]
        columns.append([*(entry["accuracy"] for entry in scores), *_shorter(one)])
        print(f"{seed:<6}" + "".join(f"{share:>18.1%}" for share in columns[-1]) + f"{seconds:>8.0f}", flush=True)
    for label, of in (("mean", mean), ("least", min), ("most", max)):
        print(f"{label:<6}" + "".join(f"{of(column):>18.1%}" for column in zip(*columns, strict=True)))


def _shorter(one: demo.Demo) -> tuple[float, float]:
    """Of the first student: its accuracy on chains of two to five steps that it has not seen, and on the example."""
    student = str(one.arms()[0].finetune.output)
    lines = (one.directory / "prompts.jsonl").read_bytes().splitlines()
    seen = frozenset(json.loads(line)["messages"][0]["content"] for line in lines)
    chains = [
        chain
        for steps in (2, 3, 4, 5)
        for chain in problems.generate(SHORTER, seed=one.seed + steps, exclude=seen, steps=(steps,))
    ]
    example = problems.parse(problems.EXAMPLE)
    assert example is not None
    found = []
    for name, asked in (("shorter", chains), ("example", [example])):
        path = one.directory / f"{name}.jsonl"
        rows = [msgspec.json.encode(chain.as_prompt(f"{name}{n}")) for n, chain in enumerate(asked)]
        path.write_bytes(b"\n".join(rows) + b"\n")
        config = EvaluateConfig(student=student, max_output_tokens=128, batch_size=100)
        manifest = evaluate.run(path, one.directory / f"{name}.scores.json", config, Silent())
        found.append(manifest.results["students"][0]["accuracy"])
    return found[0], found[1]


def _cpu_s() -> float:
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


if __name__ == "__main__":
    run(
        int(sys.argv[1]) if len(sys.argv) > 1 else 5,
        Path(sys.argv[2]) if len(sys.argv) > 2 else Path(tempfile.mkdtemp()),
    )
