"""What a teacher's log-probabilities say of its answers, and what they take on disk.

    python -m tests.benchmarks.confidence [PROBLEMS] [--sets N] [--student DIR|ID …]

For the simulated teacher over three sets of problems (`--sets`), and for each local model given, as a teacher that
samples four answers to each: whether the surer of a right and a wrong answer is the right one (AUC, by answers and by
prompts, 95 % by bootstrap over prompts), how much is right among the most confident prompts, whether the most confident
of a prompt's four answers is better than its first, and bytes a token of X.logprobs with 20 alternatives.
"""

import argparse
import random
import resource
import tempfile
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import msgspec

from cotdistill.artifacts.json_lines import read_records
from cotdistill.config import FilterConfig, GenerateConfig
from cotdistill.mock import problems
from cotdistill.progress import Silent
from cotdistill.records import Dropped, Judged, is_right
from cotdistill.stages import filter, generate
from cotdistill.statistics import auc

SAMPLES = 4
SEEDS = (1, 2, 3)
RESAMPLED = 200
SHARES = (0.1, 0.3, 0.5, 0.7, 1.0)


class Sample(NamedTuple):
    sequence: float
    worst: float
    prompt: float
    """The mean log-probability of all samples of its prompt."""
    right: bool
    answer: str | None


Prompts = list[list[Sample]]


def run(count: int, sets: int, students: Sequence[str], folder: Path) -> None:
    print(f"{count} problems, {SAMPLES} samples each, 20 alternatives\n")
    print(
        f"{'teacher':<22}{'right':>7}{'AUC answers':>22}{'AUC worst':>11}{'AUC prompts':>22}{'bytes/token':>13}"
        f"{'CPU s':>7}"
    )
    for seed in SEEDS[:sets]:
        _row(f"digit-chains, set {seed}", "mock:digit-chains", count, seed, folder / f"mock{seed}")
    for number, student in enumerate(students):
        _row(student[-20:], f"local:{student}", count, SEEDS[0], folder / f"local{number}")


def _row(name: str, teacher: str, count: int, seed: int, folder: Path) -> None:
    began = _cpu_s()
    folder.mkdir()
    prompts, size = _asked(teacher, count, seed, folder)
    every = [one for samples in prompts for one in samples]
    by_answer, by_worst, by_prompt = (
        _area(prompts, key) for key in (lambda one: one.sequence, lambda one: one.worst, lambda one: one.prompt)
    )
    print(
        f"{name:<22}{_share(every):>7.1%}{by_answer:>22}{by_worst[:5]:>11}{by_prompt:>22}{size:>13.1f}"
        f"{_cpu_s() - began:>7.0f}",
        flush=True,
    )
    ranked = sorted(prompts, key=lambda samples: -samples[0].prompt)
    covered = [[one for samples in ranked[: max(1, int(share * len(ranked)))] for one in samples] for share in SHARES]
    print(
        "  right among the most confident "
        + ", ".join(f"{share:.0%} {_share(some):.1%}" for share, some in zip(SHARES, covered, strict=True))
    )
    surest = [max(samples, key=lambda one: one.sequence) for samples in prompts]
    first = [samples[0] for samples in prompts]
    voted = [_most_frequent(samples) for samples in prompts]
    print(
        f"  of a prompt's {SAMPLES}: the first {_share(first):.1%}, the most confident {_share(surest):.1%}, the most "
        f"frequent {_share(voted):.1%}"
    )


def _asked(teacher: str, count: int, seed: int, folder: Path) -> tuple[Prompts, float]:
    """The samples of each prompt, and bytes a token of the file of log-probabilities."""
    source = folder / "prompts.jsonl"
    made = problems.generate(count, seed)
    source.write_bytes(b"".join(msgspec.json.encode(one.as_prompt(f"{n:05}")) + b"\n" for n, one in enumerate(made)))
    temperature = 1.0 if teacher.startswith("local:") else None
    config = GenerateConfig(
        teacher=teacher, samples=SAMPLES, logprobs=20, no_cache=True, max_output_tokens=96, temperature=temperature
    )
    generate.run(source, folder / "r.jsonl", config, Silent())
    filter.run(folder / "r.jsonl", folder / "kept.jsonl", FilterConfig(filter=("none",), keep_incorrect=True), Silent())
    judged = list(read_records(folder / "kept.jsonl", Judged))
    judged += [one.judged for one in read_records(folder / "kept.dropped.jsonl", Dropped)]
    judged.sort(key=lambda one: (one.response.prompt.id, one.response.sample))
    tokens = sum(one.response.confidence.tokens for one in judged if one.response.confidence)
    prompts = [list(samples) for _, samples in groupby(map(_sample, judged), key=lambda pair: pair[0])]
    size = (folder / "r.logprobs").stat().st_size / tokens
    return [[one for _, one in samples] for samples in prompts], size


def _sample(judged: Judged) -> tuple[str, Sample]:
    own, whole = judged.response.confidence, judged.confidence
    assert own is not None
    assert whole is not None
    sequence, right = own.mean_logprob * own.tokens, is_right(judged.response, judged.verdict)
    return judged.response.prompt.id, Sample(
        sequence, own.worst_logprob, whole.mean_logprob, right, judged.verdict.answer
    )


def _area(prompts: Prompts, key: Callable[[Sample], float]) -> str:
    """With its interval over prompts drawn again and again."""
    lots = random.Random(0)
    areas = []
    for _ in range(RESAMPLED):
        drawn = [one for samples in lots.choices(prompts, k=len(prompts)) for one in samples]
        areas.append(auc([key(one) for one in drawn], [one.right for one in drawn]) or 0.5)
    areas.sort()
    every = [one for samples in prompts for one in samples]
    area = auc([key(one) for one in every], [one.right for one in every])
    low, high = areas[RESAMPLED // 40], areas[-RESAMPLED // 40 - 1]
    return f"{area:.3f} [{low:.3f}, {high:.3f}]"


def _most_frequent(samples: Sequence[Sample]) -> Sample:
    said = [one.answer for one in samples]
    return max(samples, key=lambda one: said.count(one.answer))


def _share(samples: Sequence[Sample]) -> float:
    return sum(one.right for one in samples) / len(samples)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("problems", type=int, nargs="?", default=300)
    parser.add_argument("--sets", type=int, default=len(SEEDS))
    parser.add_argument("--student", action="append", default=[])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        run(given.problems, given.sets, given.student, Path(directory))
