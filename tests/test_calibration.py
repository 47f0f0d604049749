"""Whether probabilities say when an answer is right: the figures themselves, and where evaluate and filter get them."""

import json
import math
import random
from pathlib import Path

import pytest

from cotdistill.config import EvaluateConfig, FilterConfig, GenerateConfig
from cotdistill.errors import UsageError
from cotdistill.progress import Silent
from cotdistill.records import Confidence
from cotdistill.report.charts import reliability_chart
from cotdistill.stages import evaluate, filter, generate
from cotdistill.stages.calibration import Calibration
from cotdistill.statistics import auc, auc_interval
from cotdistill.students.generator import Generator
from tests.conftest import make_response, write_records


def test_auc_is_the_share_of_pairs_in_which_the_right_one_is_surer() -> None:
    assert auc([1, 2, 3, 4], [0, 0, 1, 1]) == 1
    assert auc([1, 2, 3, 4], [1, 0, 0, 1]) == 0.5
    assert auc([1, 1, 1], [0, 1, 1]) == 0.5, "ties count half"
    assert auc([1, 2], [1, 1]) is None, "no pairs"
    lots = random.Random(1)
    scores, right = [lots.choice([0.1, 0.2, 0.7]) for _ in range(60)], [lots.randrange(2) for _ in range(60)]
    ones, others = ([a for a, is_right in zip(scores, right, strict=True) if is_right == kind] for kind in (1, 0))
    pairs = [(a, b) for a in ones for b in others]
    by_hand = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)
    assert auc(scores, right) == pytest.approx(by_hand)


def test_the_interval_of_an_auc_is_that_of_hanley_and_mcneil() -> None:
    """Their own example: an area of 0.893 over 51 and 58 cases, whose standard error they give as 0.032."""
    low, high = auc_interval(0.893, 51, 58)
    assert (high - low) / 2 / 1.96 == pytest.approx(0.032, abs=0.001)


def test_who_is_right_as_often_as_it_is_sure_has_no_calibration_error() -> None:
    calibrated, boasting = Calibration(), Calibration()
    for place in range(1000):
        sure = Confidence(tokens=4, mean_logprob=math.log(0.8) / 4, worst_logprob=-1)
        calibrated.add(sure, place % 10 < 8)
        boasting.add(sure, place % 10 < 3)
    found, other = calibrated.result(), boasting.result()
    assert found and other
    assert found["sequence"]["ece"] == pytest.approx(0, abs=1e-3)
    assert other["sequence"]["ece"] == pytest.approx(0.5, abs=1e-3)
    assert found["mean"]["bins"][0]["confidence"] == pytest.approx(0.8**0.25, abs=1e-4)
    assert sum(one["n"] for one in found["sequence"]["bins"]) == 1000


@pytest.mark.parametrize(("answers", "bins"), [(9, 1), (25, 2), (1_000, 10)])
def test_a_bin_of_the_reliability_curve_has_ten_answers_or_more(answers: int, bins: int) -> None:
    calibration = Calibration()
    for place in range(answers):
        calibration.add(Confidence(tokens=1, mean_logprob=-place / answers, worst_logprob=-1), place % 2 == 0)
    found = calibration.result()
    assert found and len(found["sequence"]["bins"]) == bins


def test_a_recorded_teacher_with_log_probabilities_is_calibrated_by_filter_and_evaluate(tmp_path: Path) -> None:
    from cotdistill.mock import problems

    prompts = tmp_path / "prompts.jsonl"
    write_records(prompts, (one.as_prompt(str(n)) for n, one in enumerate(problems.generate(80, 5))))
    config = GenerateConfig(teacher="mock:digit-chains", cache=str(tmp_path / "s.sqlite"), samples=2, logprobs=2)
    generate.run(prompts, tmp_path / "r.jsonl", config, Silent())
    found = filter.run(tmp_path / "r.jsonl", tmp_path / "kept.jsonl", FilterConfig(), Silent()).results["confidence"]
    assert found["n"] == 160
    assert found["prompt"]["auc"] > 0.75, "its doubts are where its habit errs"
    assert "auc_interval" not in found["sequence"], "samples of one prompt are not independent"
    scored = EvaluateConfig(student=str(tmp_path / "r.jsonl"))
    evaluate.run(prompts, tmp_path / "scores.json", scored, Silent())
    (entry,) = json.loads((tmp_path / "scores.json").read_text())["students"]
    low, high = entry["confidence"]["sequence"]["auc_interval"]
    assert entry["confidence"]["n"] == 80
    assert low < entry["confidence"]["sequence"]["auc"] < high


def test_the_reliability_curve_stands_beside_its_diagonal_and_a_page_without_any_has_none() -> None:
    drawn = reliability_chart({"<student>": [(0.9, 0.9), (0.1, 0.1)], "other": [(0.5, 0.0)]})
    assert 'points="10.00,90.00 90.00,10.00"' in drawn, "sorted, and both axes from 0 to 1"
    assert 'points="0.00,100.00 100.00,0.00"' in drawn, "the diagonal"
    assert "&lt;student&gt;" in drawn
    assert reliability_chart({}) == ""


def test_answers_without_log_probabilities_have_no_calibration() -> None:
    assert Calibration().result() is None
    assert make_response().confidence is None


def test_a_student_behind_an_api_is_asked_for_its_log_probabilities_and_refused_where_it_has_none(
    tmp_path: Path,
) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"id": "1", "question": "a=8 b=a-7 c=b*3 c?", "answer": "3"}\n')
    asked = EvaluateConfig(student="mock:digit-chains", calibrate=True)
    evaluate.run(prompts, tmp_path / "scores.json", asked, Silent())
    (entry,) = json.loads((tmp_path / "scores.json").read_text())["students"]
    assert entry["confidence"]["sequence"]["bins"] == [
        {"n": 1, "confidence": pytest.approx(0.991, abs=0.005), "accuracy": 1.0}
    ]
    with pytest.raises(UsageError, match=r"--calibrate: groq:m: Groq gives none for any model; those that do"):
        evaluate.run(prompts, tmp_path / "other.json", EvaluateConfig(student="groq:m", calibrate=True), Silent())


def test_a_local_student_s_confidence_is_that_of_a_pass_over_its_finished_answer(tmp_path: Path) -> None:
    """Noted while it writes, whatever leaves the batch meanwhile."""
    generator = Generator("tiny")
    prompts = [
        generator.prompt([{"role": "user", "content": text}]) for text in ("a", "a long question, this one", "b=2")
    ]
    answers = dict(generator.answers(prompts, max_tokens=30, temperature=None, seeds=[0, 0, 0], sure=True))
    for number, prompt in enumerate(prompts):
        again = generator.scored(prompt, answers[number]).own
        assert answers[number].logprobs == pytest.approx(again, abs=1e-4)
        assert len(again) == answers[number].tokens
    plain = dict(generator.answers(prompts, max_tokens=4, temperature=0.7, seeds=[0, 1, 2], sure=True))
    assert all(not answer.logprobs for answer in plain.values()), "of what is drawn, another probability is meant"
