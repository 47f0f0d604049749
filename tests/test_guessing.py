"""The level of a blind guess: what a score of labels or options is held against."""

import pytest

from cotdistill.records import Judged
from cotdistill.stages.evaluate import guessing
from cotdistill.stages.evaluate.scores import score
from cotdistill.verifiers.choice import Verifier as Choice
from cotdistill.verifiers.label import Verifier as Label
from cotdistill.verifiers.math import Verifier as Math
from tests.conftest import make_prompt, make_response


def judged(verifier: Label | Choice | Math, *asked: tuple[str, str, str]) -> list[Judged]:
    """Triples of question, reference and answer."""
    responses = [make_response(text, make_prompt(str(n), q, gold)) for n, (q, gold, text) in enumerate(asked)]
    return [Judged(response=one, verdict=verifier.judge(one)) for one in responses]


def test_always_the_most_frequent_label_and_one_of_the_options_that_each_question_has() -> None:
    tickets = [("It is blank.", "bug", "bug")] * 3 + [("Where is it?", "praise", "bug")]
    assert guessing.guess(judged(Label("bug|praise"), *tickets)) == (0.75, "always 'bug'")
    asked = [("Hot?\nA) ice\nB) fire", "B", "B"), ("Hot?\nA) ice\nB) fire\nC) snow\nD) rain", "B", "A")]
    assert guessing.guess(judged(Choice(), *asked)) == (0.375, "one of the options at random")


def test_where_no_guess_is_right_there_is_none() -> None:
    assert guessing.guess(judged(Math(), ("2+2?", "4", "4"), ("Let x be.", "x", "x"))) is None
    assert guessing.guess([]) is None


@pytest.mark.parametrize(("right", "words"), [(10, "WARNING: guessing always 'bug'"), (20, "is clearly above it")])
def test_a_student_that_may_be_guessing_is_warned_of(right: int, words: str) -> None:
    labels = ["bug", "praise"] * 10
    tickets = [("It is blank.", label, label if right == 20 else "bug") for label in labels]
    found = judged(Label("bug|praise"), *tickets)
    blind = guessing.guess(found)
    assert blind is not None and words in guessing.note(score("student", found), blind)
