"""The label verifier: one of a closed set, and how well each class fits."""

from pathlib import Path
from typing import Any

import pytest

from cotdistill.answers.confusion import class_scores, confusion_of
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.plugins import build
from cotdistill.records import Judged, Status, Verdict
from cotdistill.stages.verification import Judge
from cotdistill.verifiers.label import Verifier
from tests.conftest import make_prompt, make_response

SAID = [
    "Therefore, the answer (Yes or No) is {}.",
    "Therefore, the answer (Yes or No) is\n\n{}",
    "Therefore, the answer (Yes or No) is {}. He had 2 of them and not 3.",
    "{}, that is known since 1900.",
    "{}.\n\nNote that it is not trivial, and no one objects.",
    "**{}**, by the rules.",
    "**Answer:** {}",
    "After all this, my answer is {}.",
    "$\\boxed{{\\text{{{}}}}}$",
    "One: no cats.\nTwo: yes, dogs.\n\n**{}**",
    "In conclusion, {}.",
    "So, {}, without any help.",
    "#### {}",
    "<answer>{}</answer>",
    "{} — it is possible.",
    "Would it? {}, it would.",
]


@pytest.mark.parametrize("template", SAID)
def test_yes_and_no_are_read_where_they_are_said(template: str) -> None:
    for reference in ("yes", "no"):
        for said in ("yes", "no", "Yes", "No", "YES", "NO"):
            response = make_response(template.format(said), make_prompt(reference=reference))
            verdict = Verifier().judge(response)
            assert (verdict.status == "correct") == (said.lower() == reference), (said, verdict)


@pytest.mark.parametrize(
    "text",
    [
        "It is unclear.",
        "The answer is yes and no.",
        "It depends.",
        "I cannot say yes or no.",
        "Not necessarily.",
        "The answer could be yes or no.",
        "The answer (Yes or No) is maybe.",
        "<think>Yes",
    ],
)
def test_a_hedge_has_no_label(text: str) -> None:
    for reference in ("yes", "no"):
        assert Verifier().judge(make_response(text, make_prompt(reference=reference))).status == "no_answer", text


def test_labels_may_contain_each_other() -> None:
    verifier = Verifier(labels="entailment|not entailment")
    for text, label in [("Label: not entailment", "not entailment"), ("It is entailment.", "entailment")]:
        verdict = verifier.judge(make_response(text, make_prompt(reference=label)))
        assert (verdict.status, verdict.answer) == ("correct", label), verdict


def test_labels_come_from_a_file_but_not_by_a_data_file(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("billing\nlogin\n\nother\n")
    verdict = build("verifiers", f"label:labels={labels}").judge(
        make_response("This is a login problem. Label: login", make_prompt(reference="login"))
    )
    assert (verdict.status, verdict.answer) == ("correct", "login")
    prompt = make_prompt(reference="login", verifier=f"label:labels={labels}")
    with pytest.raises(CotDistillError, match="names a file of labels"):
        Judge().judge(make_response("login", prompt))


@pytest.mark.parametrize("labels", ["one", "a|A", "|", "a|"])
def test_a_wrong_list_of_labels_is_a_usage_error(labels: str) -> None:
    with pytest.raises(UsageError, match="labels="):
        build("verifiers", f"label:labels={labels}")


def test_a_reference_that_is_no_label_is_bad() -> None:
    for reference, detail in [(None, "the prompt has no reference"), ("blue", "the reference is none of the labels")]:
        verdict = Verifier().judge(make_response("yes", make_prompt(reference=reference)))
        assert (verdict.status, verdict.detail) == ("bad_reference", detail)


def test_the_default_verifier_follows_the_reference() -> None:
    options = "Which?\nA) iron\nB) salt"
    cases = [
        ("yes", "Is it?", "label"),
        ("False", "Is it?", "label"),
        ("B", options, "choice"),
        ("salt", options, "choice"),
        ("B", "Which?", "math"),
        ("18", "How many?", "math"),
        ("Work: 9*2\n#### 18", "How many?", "math"),
        ("so it is \\boxed{\\frac{1}{2}} by halving", "How much?", "math"),
        ("Paris", "Where?", "exact"),
        ("H2O", "What?", "exact"),
        ("2021-03-05", "When?", "exact"),
    ]
    for reference, question, verifier in cases:
        judge = Judge()
        judge.judge(make_response("x", make_prompt(question=question, reference=reference)))
        assert list(judge.used) == [verifier], reference


def verdict(reference: str, answer: str | None) -> Verdict:
    status: Status = "no_answer" if answer is None else "correct" if answer == reference else "incorrect"
    return Verdict(status=status, answer=answer, reference=reference, method="label")


def judged(verdict: Verdict, **more: Any) -> Judged:
    return Judged(response=make_response(**more), verdict=verdict)


def test_a_cut_off_answer_names_no_class() -> None:
    scores = class_scores(confusion_of([judged(verdict("a", "a"), stop_reason="length")]))
    assert scores is not None
    assert scores["confusion"] == {"a": {"(none)": 1}}


def test_each_class_has_its_precision_recall_and_confusions() -> None:
    said = [("a", "a"), ("a", "a"), ("a", "b"), ("b", "b"), ("b", None), ("c", "a")]
    scores = class_scores(confusion_of(judged(verdict(*one)) for one in said))
    assert scores is not None
    assert scores["classes"]["a"] == {"n": 3, "precision": 0.6667, "recall": 0.6667, "f1": 0.6667}
    assert scores["classes"]["b"] == {"n": 2, "precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert scores["classes"]["c"] == {"n": 1, "precision": 0.0, "recall": 0.0, "f1": 0.0}
    assert scores["macro_f1"] == 0.3889
    assert scores["confusion"] == {"a": {"a": 2, "b": 1}, "b": {"(none)": 1, "b": 1}, "c": {"a": 1}}


def test_verdicts_of_other_verifiers_make_no_classes() -> None:
    assert class_scores(confusion_of([judged(Verdict(status="correct", reference="1", method="numeric"))])) is None
