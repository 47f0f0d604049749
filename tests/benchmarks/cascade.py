"""What a second teacher costs that is asked only where the first has no right answer: `generate --then`.

    python -m tests.benchmarks.cascade [--shared DIRECTORY]

On the 1,319 GSM8K test problems with recorded solutions (Cobbe et al. 2021): the 6B model with verifier stands for a
cheap teacher, the 175B model with verifier for a better one, and its fine-tuned variant's solution for its second
sample. Answers and their lengths are the recordings'; the prices are those of two models of today, from genai-prices.
Three runs of generate, verified with `math`: the cascade, the better teacher alone, and the better teacher alone with
`--samples 2 --until-accepted 1`, which has as many right as the cascade. Intervals: bootstrap over problems.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cotdistill.artifacts.json_lines import read_records
from cotdistill.config import GenerateConfig
from cotdistill.pricing import Prices
from cotdistill.progress import Silent
from cotdistill.records import Response, Usage
from cotdistill.stages import generate
from cotdistill.stages.verification import Judge
from tests.conftest import SHARED

CHEAP, GOOD, GOOD_AGAIN = "6b_verification", "175b_verification", "175b_finetuning"
PAIRS = [
    ("openai", "gpt-5-nano", "gpt-5"),
    ("openai", "gpt-4.1-nano", "gpt-4.1"),
    ("openai", "gpt-5-mini", "gpt-5"),
    ("anthropic", "claude-haiku-4-5", "claude-opus-4-5"),
]
RESAMPLED = 2_000
Floats = npt.NDArray[np.float64]


def price(provider: str, model: str) -> tuple[float, float]:
    """USD per million tokens, in and out."""
    prices = Prices(provider, model)
    each = [prices.cost(Usage(input_tokens=one, output_tokens=other)) for one, other in ((10**6, 0), (0, 10**6))]
    assert None not in each, f"{model} has no published price"
    return float(each[0] or 0), float(each[1] or 0)


def write(folder: Path, recorded: Path) -> None:
    rows = [json.loads(line) for line in recorded.read_text().splitlines()]
    prompts = [
        {"id": f"g{n}", "question": row["question"], "answer": row["ground_truth"].rpartition("A:")[2].strip()}
        for n, row in enumerate(rows)
    ]
    said = {"cheap": [CHEAP], "good": [GOOD, GOOD_AGAIN]}
    files = {"prompts": prompts} | {
        name: [{"question": row["question"], "answer": row[who]["solution"]} for row in rows for who in authors]
        for name, authors in said.items()
    }
    for name, lines in files.items():
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))


def run(folder: Path, name: str, **options: Any) -> tuple[Floats, Floats]:
    """(prompts,) of cost in USD, and of whether a right trace is there, by generate's answers and filter's verifier."""
    output = folder / f"{name}.jsonl"
    config = GenerateConfig(cache=str(folder / f"{name}.sqlite"), **options)
    generate.run(folder / "prompts.jsonl", output, config, Silent())
    judge, found = Judge("math"), dict[str, list[float]]()
    for response in read_records(output, Response):
        entry = found.setdefault(response.prompt.id, [0.0, 0.0])
        entry[0] += float(response.cost_usd or 0)
        entry[1] = max(entry[1], float(judge.judge(response).status == "correct"))
    table = np.array([found[one] for one in sorted(found)])
    return table[:, 0], table[:, 1]


def ratio(one: tuple[Floats, Floats], other: tuple[Floats, Floats]) -> tuple[float, float, float]:
    """Cost per right trace of one way against another's, with its 95 % interval."""
    lots = np.random.default_rng(0).integers(0, len(one[0]), (RESAMPLED, len(one[0])))
    each = [cost[lots].sum(1) / right[lots].sum(1) for cost, right in (one, other)]
    low, high = np.quantile(each[0] / each[1], (0.025, 0.975))
    point = (one[0].sum() / one[1].sum()) / (other[0].sum() / other[1].sum())
    return float(point), float(low), float(high)


def shown(found: tuple[float, float, float]) -> str:
    point, low, high = found
    return f"{point:.1%} ({low:.1%} to {high:.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=SHARED)
    chosen = parser.parse_args()
    places = [chosen.shared / name / "example_model_solutions.jsonl" for name in ("gsm8k", "data/gsm8k")]
    recorded = next(path for path in places if path.exists())
    print(
        "| prices of | price ratio | right: cascade, better alone, better twice | cost per right trace against the "
        "better alone | at equal yield: against the better asked twice |\n|---|---|---|---|---|"
    )
    for provider, cheap, good in PAIRS:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            write(folder, recorded)
            (cheap_in, cheap_out), (good_in, good_out) = price(provider, cheap), price(provider, good)
            better = {"teacher": f"mock:{folder}/good.jsonl", "price_in": good_in, "price_out": good_out}
            cascade = run(
                folder, "cascade", teacher=f"mock:{folder}/cheap.jsonl", price_in=cheap_in, price_out=cheap_out,
                then=f"mock:{folder}/good.jsonl", then_price_in=good_in, then_price_out=good_out, verify="math",
            )  # fmt: skip
            alone = run(folder, "alone", **better)
            twice = run(folder, "twice", samples=2, until_accepted=1, verify="math", **better)
            right = ", ".join(f"{way[1].mean():.1%}" for way in (cascade, alone, twice))
            print(
                f"| {cheap}, {good} | {good_out / cheap_out:.0f} | {right} | {shown(ratio(cascade, alone))} | "
                f"{shown(ratio(cascade, twice))} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
