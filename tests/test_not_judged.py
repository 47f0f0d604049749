"""An answer whose verifier failed is no wrong answer: in pass rates, accuracy, weights, and in evaluate."""

from pathlib import Path

import msgspec
import pytest

from cotdistill.artifacts.json_lines import read_records
from cotdistill.config import FilterConfig
from cotdistill.errors import CotDistillError
from cotdistill.progress import Silent
from cotdistill.records import Dropped, Judged, Verdict
from cotdistill.stages import filter as filtering
from cotdistill.stages.evaluate.scores import compare, score
from tests.conftest import make_prompt, make_response, write_records

VERIFIER = """
import dataclasses
from cotdistill.records import Verdict
@dataclasses.dataclass
class Verifier:
    def judge(self, response):
        status = response.text.partition(" ")[0]
        return Verdict(status=status, method="mine", detail="the server is down" if status == "error" else None)
"""


def sift(folder: Path, *statuses: str, **options: bool | float) -> msgspec.Struct:
    (folder / "mine.py").write_text(VERIFIER)
    given = [make_response(f"{status} {n}", sample=n) for n, status in enumerate(statuses)]
    write_records(folder / "r.jsonl", given)
    config = FilterConfig(verify=str(folder / "mine.py"), **options)  # type: ignore[arg-type]
    return filtering.run(folder / "r.jsonl", folder / "kept.jsonl", config, Silent())


def test_errors_and_bad_references_count_in_no_pass_rate(tmp_path: Path) -> None:
    made = msgspec.to_builtins(sift(tmp_path, "correct", "incorrect", "error", "bad_reference"))
    (kept,) = read_records(tmp_path / "kept.jsonl", Judged)
    assert (kept.samples, kept.correct, kept.pass_rate) == (4, 1, 0.5)
    assert made["results"]["accuracy"] == 0.5
    assert any("1 response could not be judged, which counts neither as right" in note for note in made["notes"])
    assert any("the first error: mine: the server is down" in note for note in made["notes"])
    dropped = {one.reason for one in read_records(tmp_path / "kept.dropped.jsonl", Dropped)}
    assert dropped == {"incorrect", "error", "bad_reference"}


def test_an_error_has_not_the_weight_of_a_wrong_answer(tmp_path: Path) -> None:
    sift(tmp_path, "correct", "incorrect", "error", keep_incorrect=True, incorrect_weight=0.3)
    weights = {one.verdict.status: one.weight for one in read_records(tmp_path / "kept.jsonl", Judged)}
    assert weights == {"correct": None, "incorrect": 0.3, "error": None}


def test_a_run_in_which_all_were_errors_fails_with_the_first_one_and_keeps_the_earlier_output(tmp_path: Path) -> None:
    sift(tmp_path, "correct")
    before = (tmp_path / "kept.jsonl").read_bytes()
    with pytest.raises(CotDistillError, match="none of 2 answers could be judged; the first error: mine: the server"):
        sift(tmp_path, "error", "error")
    assert (tmp_path / "kept.jsonl").read_bytes() == before


def judged(*statuses: str) -> list[Judged]:
    return [
        Judged(
            response=make_response(prompt=make_prompt(f"p{n}")),
            verdict=Verdict(status=status, method="m"),  # type: ignore[arg-type]
        )
        for n, status in enumerate(statuses)
    ]


def test_a_score_is_over_the_answers_that_were_judged() -> None:
    entry = score("s", judged("correct", "incorrect", "error", "bad_reference"))
    assert (entry["n"], entry["accuracy"], entry["not_judged"]) == (2, 0.5, 2)
    assert "not_judged" not in score("s", judged("correct"))


def test_two_students_are_compared_on_what_was_judged_of_both() -> None:
    found = compare(judged("correct", "correct", "error"), judged("incorrect", "error", "correct"))
    assert (found["n"], found["only_student"], found["only_baseline"]) == (1, 1, 0)


def test_answers_that_nobody_asked_to_verify_are_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_bytes(msgspec.json.encode(make_response()) + b"\n")
    made = filtering.run(tmp_path / "r.jsonl", tmp_path / "k.jsonl", FilterConfig(verify="none"), Silent())
    assert "1 response is unverified, as --verify none asks" in made.notes
