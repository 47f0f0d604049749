"""What a dry run of expand says that the rest will cost: by the rate of what was kept, the repeats, and the length of
the answers to new prompts."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cotdistill.artifacts import Manifest
from cotdistill.config import ExpandConfig
from cotdistill.mock import problems
from cotdistill.progress import Silent
from cotdistill.stages import expand
from cotdistill.stages.expand.figures import OfMethod
from cotdistill.stages.expand.needed import needed
from tests.conftest import write_records

CONFIG = ExpandConfig(teacher="mock:digit-chains", count=12, min_accuracy=0.0, price_in=1.0, price_out=3.0)


def run(folder: Path, config: ExpandConfig, steps: tuple[int, ...], seeds: int = 40) -> Manifest:
    path = folder / "seeds.jsonl"
    if not path.exists():
        chosen = problems.generate(seeds, seed=5, steps=steps)
        write_records(path, (one.as_prompt(f"p{n}") for n, one in enumerate(chosen)))
    return expand.run(path, folder / "new.jsonl", replace(config, cache=str(folder / "store.sqlite")), Silent())


def test_without_repeats_the_rest_is_kept_at_the_rate_until_now() -> None:
    found = needed(900, [OfMethod(tries=250, candidates=200, kept=100)], None)
    assert found.requests == pytest.approx(900 * 2.5, rel=0.01)
    assert found.candidates == pytest.approx(900 * 2, rel=0.01)


@pytest.mark.parametrize("a", [300.0, 3_000.0])
def test_repeats_become_more_frequent_as_fisher_s_series_has_it(a: float) -> None:
    """Of a source that finds a ln(1 + w / a) different problems in w tries, the tries for the rest are known."""
    first, whole = 300, 3_000
    new, all_new = round(a * math.log1p(first / a)), a * math.log1p(whole / a)
    method = OfMethod(tries=first, candidates=new, repeats=first - new, kept=new)
    found = needed(round(all_new) - new, [method], None)
    assert found.requests == pytest.approx(whole - first, rel=0.05), "not the 23 % or 69 % too few of a constant rate"


def test_no_more_is_expected_to_be_asked_than_there_are_requests() -> None:
    only_repeats = OfMethod(tries=100, candidates=10, repeats=90, kept=10)
    assert needed(10_000, [only_repeats], 400).requests == 400
    assert needed(10, [], 0).requests == 0, "every method is stopped"


def test_a_margin_narrows_with_what_is_known() -> None:
    few = needed(100, [OfMethod(tries=40, candidates=30, kept=16)], None)
    many = needed(100, [OfMethod(tries=4_000, candidates=3_000, kept=1_600)], None)
    assert few.margin is not None and many.margin is not None and few.margin == pytest.approx(10 * many.margin)
    assert needed(100, [OfMethod(tries=3)], None).margin is None


def test_answers_to_short_seeds_do_not_make_those_to_longer_prompts_cheaper(tmp_path: Path) -> None:
    """Seeds of one step, new chains of eight. Only answers cost here, and most of the first are to seeds."""
    (tmp_path / "topics.txt").write_text("chains of 8 steps\n")
    free: dict[str, Any] = {"price_in": 0.0, "price_out": 0.0}
    dear: dict[str, Any] = {"solver_price_in": 100.0, "solver_price_out": 300.0}
    method = (f"topic:topics={tmp_path / 'topics.txt'}",)
    config = replace(CONFIG, method=method, solver=CONFIG.teacher, count=6, **free, **dear)
    first = run(tmp_path, config, steps=(1,))
    told = run(tmp_path, replace(config, count=15, dry_run=True), steps=(1,))
    rest = run(tmp_path, replace(config, count=15), steps=(1,))
    answers = rest.counts["bought"] - (rest.counts["written"] - first.counts["written"])
    seen = float(rest.results["spent_usd"]) / answers
    assert float(told.results["cost_usd"]) / told.results["to_answer"] == pytest.approx(seen, rel=0.03)
    assert 0 < told.results["margin_share"] < 1
