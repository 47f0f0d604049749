"""The mathematics verifier: accuracy and speed, beside math-verify with its own defaults in the same run.

    python -m tests.benchmarks.math_verifier [--rows 5276]

Two collections: the recorded GSM8K solutions with their authors' labels, and the labelled pairs of
tests/test_verifier_math.py (LaTeX, lists, sets, intervals, matrices, percent, units), which are ours and were written
while the rules were: they show what the rules are, not how often they err on others' data. math-verify is given the
whole text and the reference between dollar signs, as its documentation says, in this process, its time-outs off.
"""

import argparse
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from cotdistill.records import Response
from cotdistill.verifiers.math import Verifier
from tests.conftest import make_prompt, make_response
from tests.test_gsm8k_agreement import RECORDED, labelled
from tests.test_verifier_math import RIGHT, WHOLE, WRONG

Row = tuple[Response, bool]


class Score(NamedTuple):
    agreed: int
    false_accepts: int
    false_rejects: int
    rows_per_s: float


def pairs() -> list[Row]:
    boxed = [(f"So we get \\boxed{{{answer}}}.", gold, True) for answer, gold in RIGHT]
    boxed += [(f"So we get \\boxed{{{answer}}}.", gold, False) for answer, gold, _ in WRONG]
    boxed += [(text, gold, status == "correct") for text, gold, status, _ in WHOLE]
    return [(make_response(text, make_prompt(reference=gold)), right) for text, gold, right in boxed]


def math_verify_defaults() -> Callable[[Response], bool]:
    from math_verify import parse, verify

    def judge(response: Response) -> bool:
        gold = parse(f"${response.prompt.reference}$", parsing_timeout=None)
        found = parse(response.text, parsing_timeout=None)
        return bool(verify(gold, found, timeout_seconds=None))

    return judge


def score(rows: Iterable[Row], judge: Callable[[Response], bool]) -> Score:
    rows = list(rows)
    began = time.perf_counter()
    said = [judge(response) for response, _ in rows]
    seconds = time.perf_counter() - began
    accepts = sum(yes and not right for yes, (_, right) in zip(said, rows, strict=True))
    rejects = sum(right and not yes for yes, (_, right) in zip(said, rows, strict=True))
    return Score(len(rows) - accepts - rejects, accepts, rejects, len(rows) / seconds)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=5276)
    chosen = options.parse_args()
    collections = {"own pairs": pairs()}
    if RECORDED.exists():
        collections["GSM8K"] = labelled()[: chosen.rows]
    verifier = Verifier()

    def ours(response: Response) -> bool:
        return verifier.judge(response).status == "correct"

    ours(make_response("\\boxed{x+1}", make_prompt(reference="1+x")))  # starts the worker
    judges = {"cotdistill": ours, "math-verify, defaults": math_verify_defaults()}
    print(f"{'':30}{'rows':>6}{'agreed':>8}{'false accepts':>15}{'false rejects':>15}{'rows/s':>9}")
    for name, rows in collections.items():
        for who, judge in judges.items():
            found = score(rows, judge)
            print(
                f"{name + ', ' + who:<34}{len(rows):>4}{found.agreed:>8}{found.false_accepts:>13}"
                f"{found.false_rejects:>15}{found.rows_per_s:>11,.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
