"""Several accepted answers: any of them is right, each by the verifier that fits it."""

import pytest

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
