"""The numeric verifier: near enough, by a tolerance that is exact."""

import pytest

from cotdistill.errors import UsageError
from cotdistill.plugins import build
from cotdistill.verifiers.numeric import Verifier
from tests.conftest import make_prompt, make_response


@pytest.mark.parametrize(
    ("options", "answer", "reference", "status"),
    [
        ("", "3.14", "3.15", "correct"),
        ("", "3.14", "3.1501", "incorrect"),
        ("tolerance=0", "0.5", "1/2", "correct"),
        ("tolerance=0", "0.5000001", "1/2", "incorrect"),
        ("tolerance=0.1", "0.7", "0.8", "correct"),
        ("tolerance=0.5", "-3", "3", "incorrect"),
        ("tolerance=5", "1,234", "1237", "correct"),
        ("relative=true", "1010", "1000", "correct"),
        ("relative=true", "1011", "1000", "incorrect"),
        ("relative=true", "-0.99", "-1", "correct"),
        ("relative=true", "0.001", "0", "incorrect"),
        ("relative=true", "6.0e23", "6.02\\times10^{23}", "correct"),
        ("", "\\frac{22}{7}", "3.14159", "correct"),
        ("", "\\approx 3.14", "3.14159", "correct"),
        ("", "about 3.14", "3.14159", "correct"),
        ("", "x = 3.14", "3.14159", "correct"),
        ("", "12.3 cm", "12.3", "correct"),
        ("", "12.3 cm", "12.3 km", "incorrect"),
        ("", "$5", "€5", "incorrect"),
        ("tolerance=1", "49.5\\%", "50", "correct"),
        ("tolerance=1", "49.5\\%", "0.5", "correct"),
        ("tolerance=1", "0.5", "50\\%", "correct"),
        ("tolerance=1", "0.4", "50\\%", "incorrect"),
        ("", "five", "5", "correct"),
        ("tolerance=0.001", "33.333\\%", "1/3", "correct"),
    ],
)
def test_a_number_within_the_tolerance_is_correct(options: str, answer: str, reference: str, status: str) -> None:
    response = make_response(f"So \\boxed{{{answer}}}.", make_prompt(reference=reference))
    verdict = build("verifiers", f"numeric:{options}" if options else "numeric").judge(response)
    assert (verdict.status, verdict.method) == (status, "numeric/boxed"), verdict


@pytest.mark.parametrize(
    ("text", "reference", "status", "detail"),
    [
        ("4", None, "bad_reference", "the prompt has no reference"),
        ("4", "Paris", "bad_reference", "the reference is not a number"),
        ("4", "(1, 2)", "bad_reference", "the reference is not a number"),
        ("<think>4", "4", "no_answer", "the reasoning does not end"),
        ("I do not know.", "4", "no_answer", "no final answer in the text"),
        ("\\boxed{Paris}", "4", "incorrect", "the answer is not a number"),
    ],
)
def test_what_cannot_be_compared_says_why(text: str, reference: str | None, status: str, detail: str) -> None:
    verdict = Verifier().judge(make_response(text, make_prompt(reference=reference)))
    assert (verdict.status, verdict.detail) == (status, detail)


@pytest.mark.parametrize("tolerance", ["-0.1", "inf", "nan"])
def test_a_tolerance_that_is_none_is_refused(tolerance: str) -> None:
    with pytest.raises(UsageError, match=r"tolerance\S* expected (?:0 or more|a number)"):
        build("verifiers", f"numeric:tolerance={tolerance}")
