"""Several accepted answers: any of them is right, each by the verifier that fits it."""

from pathlib import Path

import pytest

from cotdistill.errors import CotDistillError, UsageError
from cotdistill.mock.sources import Replay
from cotdistill.plugins import build
from cotdistill.stages.verification import Judge
from cotdistill.verifiers.any_of import Verifier
from tests.conftest import make_prompt, make_response


@pytest.mark.parametrize(
    ("reference", "text", "status", "method"),
    [
        ('["Oslo", "Christiania"]', "The capital is Christiania.", "correct", "exact/sentence"),
        ('["Oslo", "Christiania"]', "The capital is Bergen.", "incorrect", "exact/whole"),
        ('["1/2", "50 %"]', "The answer is 0.5.", "correct", "numeric/answer_line"),
        ('["NYC", 8]', "\\boxed{8}", "correct", "text/boxed"),
        ("Oslo", "Oslo", "correct", "exact/whole"),
        ("[]", "Oslo", "bad_reference", "any_of"),
        ('["Oslo", "Bergen"]', "Oslo or Bergen", "incorrect", "exact/whole"),
    ],
)
def test_any_accepted_answer_is_right_and_no_other(reference: str, text: str, status: str, method: str) -> None:
    verdict = Verifier().judge(make_response(text, make_prompt(reference=reference)))
    assert (verdict.status, verdict.method) == (status, method)


def test_the_verdict_names_the_answer_that_agreed() -> None:
    verdict = Verifier(by="exact").judge(make_response("Christiania", make_prompt(reference='["Oslo", "Christiania"]')))
    assert verdict.reference == "Christiania"


@pytest.mark.parametrize(
    "by", ["code", "judge", "judge:teacher=mock", "./x.py", "json_schema", "label:labels=./secret"]
)
def test_nothing_that_runs_code_costs_money_or_reads_a_file_compares_the_answers(by: str) -> None:
    """A data file may choose `any_of`, and must not reach by it what it may not choose itself."""
    with pytest.raises(UsageError, match="any_of:by: expected choice, exact, label, math or numeric, got"):
        Judge().judge(make_response("Oslo", make_prompt(reference="Oslo", verifier=f"any_of:by={by}")))
    assert build("verifiers", "any_of:by=math") == Verifier(by="math")


def test_a_data_file_chooses_no_verifier_that_reads_a_file() -> None:
    prompt = make_prompt(reference="1", verifier="json_schema:schema=secret.json")
    with pytest.raises(
        CotDistillError, match=r"'json_schema:schema=secret\.json' names a file; ask for it with --verify"
    ):
        Judge().judge(make_response("1", prompt))


def test_a_rehearsal_replays_each_accepted_answer(tmp_path: Path) -> None:
    recorded = tmp_path / "mine.jsonl"
    recorded.write_text('{"question": "Capital?", "answers": ["Oslo", "Christiania"]}\n')
    replay = Replay.load(recorded)
    assert [replay.answer("Capital?", sample).text for sample in range(3)] == ["Oslo", "Christiania", "Oslo"]
