"""The level of a blind guess: what a score of labels or options is held against."""

from pathlib import Path

import pytest

from cotdistill.records import Judged
from cotdistill.stages.evaluate import guard, guessing
from cotdistill.stages.evaluate.scores import score
from cotdistill.statistics import mcnemar
from cotdistill.verifiers.choice import Verifier as Choice
from cotdistill.verifiers.label import Verifier as Label
from cotdistill.verifiers.math import Verifier as Math
from tests.conftest import make_prompt, make_response
from tests.scored_runs import trained


def judged(verifier: Label | Choice | Math, *asked: tuple[str, str, str]) -> list[Judged]:
    """Triples of question, reference and answer."""
    responses = [make_response(text, make_prompt(str(n), q, gold)) for n, (q, gold, text) in enumerate(asked)]
    return [Judged(response=one, verdict=verifier.judge(one)) for one in responses]


def test_always_the_most_frequent_label_and_one_of_the_options_that_each_question_has() -> None:
    tickets = [("It is blank.", "bug", "bug")] * 3 + [("Where is it?", "praise", "bug")]
    assert guessing.guess(judged(Label("bug|praise"), *tickets)) == (0.75, "always 'bug'")
    asked = [("Hot?\nA) ice\nB) fire", "B", "B"), ("Hot?\nA) ice\nB) fire\nC) snow\nD) rain", "B", "A")]
    assert guessing.guess(judged(Choice(), *asked)) == (0.375, "one of the options at random")


def test_a_student_that_is_no_better_than_its_base_is_warned_of_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "rows").write_text("{}")
    student = str(trained(tmp_path / "student", tmp_path / "rows"))

    def said(better: int, worse: int, name: str = "tiny") -> list[str]:
        test = {"n": 30, "difference": (better - worse) / 30, "p_value": mcnemar(better, worse)}
        return guard.nothing_learnt(student, {name: test})

    assert [bool(said(better, worse)) for better, worse in ((1, 0), (3, 9), (0, 20), (9, 0))] == [
        True,
        True,
        True,
        False,
    ]
    warning = said(1, 0)[0]
    assert "is not shown to be better than tiny, from which it was trained (p = 1)" in warning
    assert "tiny knows no language and learns short patterns: take smollm2-135m" in warning
    assert said(0, 0, "another") == []


def test_where_no_guess_is_right_there_is_none() -> None:
    assert guessing.guess(judged(Math(), ("2+2?", "4", "4"), ("Let x be.", "x", "x"))) is None
    assert guessing.guess([]) is None


@pytest.mark.parametrize(
    ("right", "words"), [(10, "WARNING: guessing always 'bug'"), (12, "WARNING: guessing"), (20, "is clearly above it")]
)
def test_a_student_that_may_be_guessing_is_warned_of(right: int, words: str) -> None:
    """Also one that is right a little more often: its interval does not exclude a guess."""
    labels = ["bug", "praise"] * 10
    tickets = [
        ("It is blank.", label, label if number < 2 * (right - 10) else "bug") for number, label in enumerate(labels)
    ]
    found = judged(Label("bug|praise"), *tickets)
    blind = guessing.guess(found)
    assert blind is not None and words in guessing.note(score("student", found), blind)
