"""Hostile answers among ordinary ones, through the filter stage: time, verdicts, memory.

    python -m tests.benchmarks.hostile [--ordinary 2000] [--workers 1]

The texts are those of `tests/test_hostile_answers.py`. First the ordinary responses alone, then with the hostile ones:
the difference is what those cost. Memory is the peak of this process and of the largest of its children.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

from cotdistill.artifacts.json_lines import read_records
from cotdistill.config import FilterConfig
from cotdistill.progress import Silent
from cotdistill.records import Dropped, Judged, Response
from cotdistill.stages import filter as stage
from cotdistill.verifiers.math import Verifier
from tests.test_hostile_answers import mixture, write

DEADLINE_S = 1.0


def run(responses: list[Response], directory: Path, workers: int) -> tuple[float, set[str], dict[str, Dropped]]:
    directory.mkdir()
    source = write(directory / "r.jsonl", responses)
    config = FilterConfig(verify=f"math:deadline_s={DEADLINE_S}", skip_bad=True, workers=workers)
    began = time.perf_counter()
    stage.run(source, directory / "kept.jsonl", config, Silent())
    took_s = time.perf_counter() - began
    kept = {one.response.prompt.id for one in read_records(directory / "kept.jsonl", Judged)}
    dropped = read_records(directory / "kept.dropped.jsonl", Dropped)
    return took_s, kept, {one.judged.response.prompt.id: one for one in dropped}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--ordinary", type=int, default=2_000)
    options.add_argument("--workers", type=int, default=1)
    chosen = options.parse_args()
    given = mixture(chosen.ordinary)
    ordinary = [one for one in given.responses if one.prompt.id not in given.hostile]
    with tempfile.TemporaryDirectory() as directory:
        alone_s, kept, _ = run(ordinary, Path(directory) / "alone", chosen.workers)
        print(f"{len(ordinary)} ordinary alone: {alone_s:.1f} s, kept {len(kept)}")
        took_s, kept, dropped = run(given.responses, Path(directory) / "mixed", chosen.workers)
    budget_s = len(given.hostile) * DEADLINE_S
    print(
        f"with {len(given.hostile)} hostile: {took_s:.1f} s, kept {len(kept)}; their deadlines add up to {budget_s} s"
    )
    print(f"lost besides: {sorted(set(dropped) - given.hostile)}; hostile and kept: {sorted(given.hostile & kept)}")
    mb = [resource.getrusage(who).ru_maxrss / 1000 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"peak memory {mb[0]:,.0f} MB here, {mb[1]:,.0f} MB in the largest child")
    verifier = Verifier(deadline_s=DEADLINE_S)
    for one in given.responses:
        if one.prompt.id in given.hostile:
            began = time.perf_counter()
            verdict = verifier.judge(one)
            cost_s = time.perf_counter() - began
            print(f"{one.prompt.id:30} {cost_s:6.2f} s  {verdict.status:10} {verdict.method:20} {verdict.detail or ''}")


if __name__ == "__main__":
    main()
