import pytest

from cotdistill.extensions import build
from tests.conftest import make_prompt, make_response


@pytest.mark.parametrize(
    ("spec", "reference", "text", "status"),
    [
        ("exact", "Paris", "paris.", "correct"),
        ("exact", "New York", "The answer is new  york.", "correct"),
        ("exact", "New York", "**New York**", "correct"),
        ("exact", "Paris", "Paris, Texas", "incorrect"),
        ("exact", "4", "four", "incorrect"),
        ("exact", "Paris", "", "no_answer"),
        ("exact", "Paris", "<think>Paris", "no_answer"),
        ("exact", None, "Paris", "bad_reference"),
        ("exact:case_sensitive=true", "Paris", "paris", "incorrect"),
    ],
)
def test_the_same_words_are_right(spec: str, reference: str | None, text: str, status: str) -> None:
    verdict = build("verifiers", spec).judge(make_response(text, make_prompt(reference=reference)))
    assert verdict.status == status
