"""The mathematics verifier against the labels of 5,276 recorded GSM8K solutions.

    python -m tests.test_gsm8k_agreement

prints the number, the speed and every disagreement.
"""

import json
import time

import pytest

from cotdistill.answers.worked import cut_reference
from cotdistill.records import Response, Verdict
from cotdistill.verifiers.math import Verifier
from tests.conftest import SHARED, make_prompt, make_response

RECORDED = SHARED / "gsm8k" / "example_model_solutions.jsonl"
if not RECORDED.exists():
    RECORDED = SHARED / "data" / "gsm8k" / "example_model_solutions.jsonl"
AUTHORS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
ROWS = 5276


def labelled() -> list[tuple[Response, bool]]:
    rows = []
    for item in map(json.loads, RECORDED.read_bytes().splitlines()):
        prompt = make_prompt(question=item["question"], reference=cut_reference(item["ground_truth"]))
        rows += [(make_response(item[by]["solution"], prompt), item[by]["is_correct"]) for by in AUTHORS]
    return rows


def judged() -> tuple[list[tuple[Response, bool, Verdict]], float]:
    """Every row with its verdict, and the rows per second of processor time."""
    rows, verifier = labelled(), Verifier()
    began = time.process_time()
    verdicts = [verifier.judge(response) for response, _ in rows]
    speed = len(rows) / (time.process_time() - began)
    return [(response, label, verdict) for (response, label), verdict in zip(rows, verdicts, strict=True)], speed


def disagreements(rows: list[tuple[Response, bool, Verdict]]) -> list[str]:
    return [
        f"reference {response.prompt.reference!r}, labelled {label}, verdict {verdict.status} by {verdict.method} on "
        f"{verdict.answer!r}: …{response.text[-160:]!r}"
        for response, label, verdict in rows
        if (verdict.status == "correct") != label
    ]


@pytest.mark.skipif(not RECORDED.exists(), reason=f"the recorded GSM8K solutions are not at {RECORDED}")
def test_the_verdict_is_the_recorded_label_on_nearly_every_gsm8k_solution() -> None:
    rows, speed = judged()
    differing = disagreements(rows)
    print(f"agreement {len(rows) - len(differing)} of {len(rows)}, {speed:,.0f} rows/s", *differing, sep="\n")
    assert len(rows) == ROWS
    assert len(rows) - len(differing) >= 5270, differing


if __name__ == "__main__":
    rows, speed = judged()
    differing = disagreements(rows)
    print(f"agreement {len(rows) - len(differing)} of {len(rows)}, {speed:,.0f} rows/s", *differing, sep="\n")
