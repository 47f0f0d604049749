"""The exact verifier: the same words, whatever their case and space, and nothing else."""

import pytest

from cotdistill.verifiers.exact import Verifier
from tests.conftest import make_prompt, make_response


@pytest.mark.parametrize(
    ("text", "reference", "method"),
    [
        ("Paris", "paris", "exact/whole"),
        ("  **Paris!** ", "Paris", "exact/whole"),
        ("The answer is Paris.", "Paris", "exact/answer_line"),
        ("Let me see.\nAnswer: New   York", "new york", "exact/answer_line"),
        ("I choose \\boxed{B}", "(B)", "exact/boxed"),
        ("<think>London?</think>Paris", "Paris", "exact/whole"),
        ("The capital is old. It is Paris", "the capital is old. it is paris", "exact/whole"),
        ("Cafe\u0301", "Café", "exact/whole"),
    ],
)
def test_the_same_words_are_correct(text: str, reference: str, method: str) -> None:
    verdict = Verifier().judge(make_response(text, prompt=make_prompt(reference=reference)))
    assert (verdict.status, verdict.method) == ("correct", method), verdict


@pytest.mark.parametrize(
    ("text", "reference", "reason"),
    [
        ("Paris or London", "Paris", "more words"),
        ("<think>Paris</think>London", "Paris", "the trace does not count"),
        (".5", "5", "a leading point is no punctuation"),
        ("-5", "5", "nor is a sign"),
        ("5!", "5", "nor a factorial"),
        ("x²", "x2", "nor an exponent"),
        ("(1, 2)", "[1, 2]", "nor are brackets around several"),
        ("neve", "even", "letters in another order"),
    ],
)
def test_other_words_are_incorrect(text: str, reference: str, reason: str) -> None:
    verdict = Verifier().judge(make_response(text, prompt=make_prompt(reference=reference)))
    assert verdict.status == "incorrect", (reason, verdict)


def test_case_counts_when_asked_for() -> None:
    response = make_response("paris", prompt=make_prompt(reference="Paris"))
    assert Verifier(case_sensitive=True).judge(response).status == "incorrect"
    assert Verifier(case_sensitive=False).judge(response).status == "correct"


@pytest.mark.parametrize(
    ("text", "reference", "status", "detail"),
    [
        ("Paris", None, "bad_reference", "the prompt has no reference"),
        ("Paris", " ", "bad_reference", "the prompt has no reference"),
        ("?", "...", "bad_reference", "the reference has no words"),
        ("<think>Paris", "Paris", "no_answer", "the reasoning does not end"),
        (" ", "Paris", "no_answer", "the answer is empty"),
    ],
)
def test_what_cannot_be_judged_says_why(text: str, reference: str | None, status: str, detail: str) -> None:
    verdict = Verifier().judge(make_response(text, prompt=make_prompt(reference=reference)))
    assert (verdict.status, verdict.detail) == (status, detail)
