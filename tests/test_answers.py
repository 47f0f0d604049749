"""What is read as the same answer, row by row, and the page in docs/ that shows the rows."""

import json

import pytest

from cotdistill.stages.verification import Judge
from tests.answers_table import PAGE, page, rows
from tests.conftest import SHARED, make_prompt, make_response

ROWS = list(rows())
JUDGES: dict[str, Judge] = {}

PAIRS = SHARED / "findings" / "inputs" / "hard_pairs.jsonl"
VERDICTS = SHARED / "findings" / "inputs" / "verify.jsonl"


def accepted(verifier: str, question: str, reference: str, text: str) -> bool:
    judge = JUDGES.setdefault(verifier, Judge(None if verifier == "default" else verifier))
    prompt = make_prompt(question=question or "What is the answer?", reference=reference)
    return judge.judge(make_response(text, prompt)).status == "correct"


@pytest.mark.parametrize("title", dict.fromkeys(row.title for row in ROWS))
def test_each_row_is_judged_as_the_table_says(title: str) -> None:
    of_title = [row for row in ROWS if row.title == title]
    judged = {row: accepted(row.verifier, row.question, row.reference, row.text) for row in of_title}
    assert [row for row, right in judged.items() if right != row.right] == []


def test_what_math_rejects_no_default_verifier_accepts() -> None:
    wrong = [row for row in ROWS if row.verifier == "math" and not row.right]
    assert [row for row in wrong if accepted("default", row.question, row.reference, row.text)] == []


def test_the_page_of_equal_answers_is_what_the_rows_make() -> None:
    assert PAGE.read_text() == page(), "stale: python -m tests.answers_table"


@pytest.mark.slow
@pytest.mark.skipif(not PAIRS.exists(), reason=f"the labelled pairs are not at {PAIRS}")
@pytest.mark.parametrize("by", ["verifier", "default"])
def test_nearly_all_labelled_pairs_are_judged_as_labelled(by: str) -> None:
    items = [json.loads(line) for line in PAIRS.read_text().splitlines()]
    got = [
        (
            accepted(
                one["verifier"] if by == "verifier" else "default", one["question"], one["reference"], one["completion"]
            ),
            one,
        )
        for one in items
    ]
    assert [one for said, one in got if said and not one["label"]] == [], "false accepts"
    assert sum(said == one["label"] for said, one in got) >= 240


@pytest.mark.slow
@pytest.mark.skipif(not VERDICTS.exists(), reason=f"the reported verdicts are not at {VERDICTS}")
def test_every_reported_verdict_that_is_not_arguable_is_as_expected() -> None:
    items = [json.loads(line) for line in VERDICTS.read_text().splitlines()]
    odd = [
        one
        for one in items
        if not one["arguable"]
        and accepted(one["verify"], one["question"] or "", one["reference"], one["text"])
        != (one["expected"] == "correct")
    ]
    assert odd == []
