"""The majority verifier: votes are counted by value, and a narrow result judges nobody."""

import random
import time

import pytest

from cotdistill.answers.classes import MAX_ASKED, classes
from cotdistill.answers.equality import Equality
from cotdistill.errors import UsageError
from cotdistill.plugins import build
from cotdistill.records import Verdict
from cotdistill.stages.verification import Judge
from cotdistill.verifiers.majority import Verifier
from tests.conftest import make_prompt, make_response


def judged(*answers: str, spec: str = "majority", reference: str | None = None) -> list[Verdict]:
    prompt = make_prompt(reference=reference)
    responses = [
        make_response(f"So \\boxed{{{answer}}}." if answer else "I do not know.", prompt, sample=n)
        for n, answer in enumerate(answers)
    ]
    (verdicts,) = Judge(spec).judge_all([responses])
    return verdicts


def statuses(*answers: str, spec: str = "majority") -> list[str]:
    return [verdict.status for verdict in judged(*answers, spec=spec)]


def test_the_largest_class_wins_by_value() -> None:
    verdicts = judged("1/2", "0.5", "\\frac{1}{2}", "7", "")
    assert [one.status for one in verdicts] == ["correct"] * 3 + ["incorrect", "no_answer"]
    assert {one.detail for one in verdicts[:4]} == {"3 of 5"}
    assert {one.reference for one in verdicts} == {"1/2"}
    assert verdicts[3].answer == "7"


def test_formulas_are_compared_by_algebra_and_words_by_spelling() -> None:
    assert statuses("(x+1)^2", "x^2+2x+1", "x") == ["correct", "correct", "incorrect"]
    assert statuses("Paris", "paris", "London") == ["correct", "correct", "incorrect"]
    assert statuses("\\{1,2\\}", "\\{2,1\\}", "(1,2)") == ["correct", "correct", "incorrect"]


def test_the_reference_is_the_most_frequent_spelling() -> None:
    assert {one.reference for one in judged("0.50", "1/2", "1/2", "3")} == {"1/2"}


@pytest.mark.parametrize(
    ("answers", "spec", "detail"),
    [
        (("1", "2", "1", "2"), "majority", "2 of 4, a tie"),
        (("1", "2", "3"), "majority", "1 of 3, a tie"),
        (("1",), "majority", "1 of 1, fewer than 2 votes"),
        (("1", "1", "2", "3", "4"), "majority", "2 of 5, less than 0.5 of the samples"),
        (("1", "1", "1", "2"), "majority:min_share=0.9", "3 of 4, less than 0.9 of the samples"),
        (("1", "1", "2"), "majority:min_votes=3", "2 of 3, fewer than 3 votes"),
        (("1", "1", "", "", ""), "majority", "2 of 5, less than 0.5 of the samples"),
    ],
)
def test_without_a_clear_winner_nobody_is_judged(answers: tuple[str, ...], spec: str, detail: str) -> None:
    verdicts = judged(*answers, spec=spec)
    assert {one.status for one in verdicts} <= {"unverified", "no_answer"}
    assert {one.detail for one in verdicts if one.answer} == {detail}
    assert not any(one.reference for one in verdicts)


def test_half_of_the_samples_is_enough() -> None:
    assert statuses("1", "1", "2", "3") == ["correct", "correct", "incorrect", "incorrect"]


def test_a_reference_is_ignored() -> None:
    assert [one.status for one in judged("5", "5", "4", reference="4")] == ["correct", "correct", "incorrect"]


def test_no_answer_at_all() -> None:
    assert statuses("", "") == ["no_answer", "no_answer"]


def test_one_response_alone_has_no_majority() -> None:
    assert Verifier().judge(make_response("Answer: 4")).status == "unverified"


@pytest.mark.parametrize("option", ["min_share=1.5", "min_votes=0"])
def test_an_option_out_of_range_is_refused(option: str) -> None:
    with pytest.raises(UsageError):
        build("verifiers", f"majority:{option}")


# Classes --------------------------------------------------------------------------------------------------------------


def test_classes_hold_each_place_once_in_the_order_of_their_first() -> None:
    assert classes(["7", "1/2", "x = 7", "0.5", "Paris", "7.0", "paris"]) == [[0, 2, 5], [1, 3], [4, 6]]
    assert classes([]) == []


def test_the_order_of_the_answers_does_not_change_the_classes() -> None:
    answers = ["1", "1.0", "2", "4/2", "yes", "Yes", "x+1", "x + 1", "50%", "1/2"]
    wanted = {frozenset(answers[place] for place in one) for one in classes(answers)}
    for seed in range(20):
        mixed = random.Random(seed).sample(answers, len(answers))
        assert {frozenset(mixed[place] for place in one) for one in classes(mixed)} == wanted


def test_algebra_is_asked_only_for_what_is_left_and_not_without_end() -> None:
    asked: list[tuple[str, str]] = []

    def equal(one: str, other: str) -> bool:
        asked.append((one, other))
        return False

    assert len(classes(["1", "2", "3/1", "3"], equal)) == 3
    assert asked == [], "numbers are compared as numbers"
    classes(["x+1", "1+x", "2"], equal)
    assert asked == [("x+1", "1+x"), ("x+1", "2"), ("1+x", "2")]
    asked.clear()
    assert len(classes([f"x+{n}" for n in range(500)], equal)) == 500
    assert len(asked) == MAX_ASKED


def test_many_different_numbers_take_no_long_time() -> None:
    began = time.process_time()
    assert len(classes([f"{n}/7" for n in range(1, 3000)])) > 2000
    assert time.process_time() - began < 10


def test_algebra_finds_equal_formulas() -> None:
    equal = Equality(deadline_s=5).equal
    assert classes(["2\\sqrt2", "\\sqrt{8}", "\\sqrt{7}"], equal) == [[0, 1], [2]]
